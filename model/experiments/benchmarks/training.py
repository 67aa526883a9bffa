"""Our training loop against a plain PyTorch loop and TRL's SFTTrainer: same model, prompts and batch, alternately.

In: a recipe. Out: Speeds. TRL is an optional extra (`trl`); without it that comparison is left out.
"""

import gc
import logging
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from itertools import islice, pairwise
from pathlib import Path
from statistics import median
from typing import Any

import torch
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode

from model.masks.policies import IGNORE_INDEX, MASK_POLICIES, RIGHT, UNMASKED, supervised_tokens
from model.network.export import export_run
from model.network.gpt import GPT
from model.network.learner import Learner
from model.training.conversations import render_prompts
from model.training.evaluation import evaluate
from model.training.loop import initial_model, training_batches
from model.training.recipes import RECIPES, Recipe

ROUNDS, STEPS_PER_ROUND = 7, 60
TRL_ROUNDS, TRL_STEPS, TRL_WARM_UP = 3, 40, 10
PLAIN_THREADS = 2
TRL_CONFIG: dict[str, Any] = {
    "use_cpu": True,
    "completion_only_loss": True,
    "max_length": None,
    "report_to": [],
    "log_level": "error",
    "save_strategy": "no",
    "disable_tqdm": True,
}
"""SFTTrainer as it comes, told where the labels are."""
TRL_LEAN: dict[str, Any] = {
    "lr_scheduler_type": "constant",
    "bf16": False,
    "gradient_checkpointing": False,
    "logging_strategy": "no",
}
"""Off is all that only costs time with a model this small."""
GEMM_SIDE = 512
RACE_WORDS = 200


@dataclass(frozen=True)
class Speed:
    """Optimizer steps per second, medians of alternating rounds; `goal` is the ratio asked for, if any was."""

    name: str
    ours_per_second: float
    reference_per_second: float
    ratio: float
    goal: float | None

    def line(self) -> str:
        return (
            f"{self.name:62} ours {self.ours_per_second:6.0f} steps/s   reference {self.reference_per_second:6.0f} "
            f"steps/s   {times_of(self.ratio, self.goal)}"
        )


def times_of(ratio: float, goal: float | None) -> str:
    """`  8.1 times (goal 6: met)`"""
    verdict = "" if goal is None else f" (goal {goal:g}: {'met' if ratio >= goal else 'MISSED'})"
    return f"{ratio:5.1f} times{verdict}"


@dataclass(frozen=True)
class GemmShare:
    """How much of what one core can multiply the loop uses: its matrix products' operations, per second of all."""

    name: str
    flops_per_step: float
    loop_gflops: float
    gemm_gflops: float
    share: float

    def line(self) -> str:
        return (
            f"{self.name:62} {self.flops_per_step / 1e6:.1f} MFLOP a step   {self.loop_gflops:.1f} of "
            f"{self.gemm_gflops:.0f} GFLOP/s   {100 * self.share:.0f} %"
        )


def compare_with_plain_loop(recipe: Recipe, policy: str, goal: float | None) -> Speed:
    """Ours on one thread, the plain loop on two, in turns."""
    ours, plain = our_loop(recipe, policy), plain_loop(recipe, policy)
    seconds: tuple[list[float], list[float]] = ([], [])
    for _ in range(ROUNDS + 1):
        for loop, threads, times in ((ours, 1, seconds[0]), (plain, PLAIN_THREADS, seconds[1])):
            torch.set_num_threads(threads)
            times.append(_seconds_per_step(loop, STEPS_PER_ROUND))
    torch.set_num_threads(1)
    fast, slow = (times[1:] for times in seconds)  # the first round warms up
    return _speed(f"{recipe.slug}, {policy}, against a plain loop", fast, slow, goal)


def compare_with_trl(recipe: Recipe, policy: str, goal: float | None, *, lean: bool) -> Speed | None:
    """Ours against SFTTrainer's own steps, as it comes or lean, its start not counted; None if TRL is not installed."""
    if find_spec("trl") is None:  # the trl extra
        return None
    ours, fast, slow = our_loop(recipe, policy), [], []
    for _ in range(TRL_ROUNDS):
        torch.set_num_threads(PLAIN_THREADS)
        slow.append(trl_seconds_per_step(recipe, policy, TRL_CONFIG | TRL_LEAN if lean else TRL_CONFIG))
        torch.set_num_threads(1)
        gc.collect()
        gc.freeze()  # TRL's many objects are not our loop's to walk through
        _seconds_per_step(ours, TRL_WARM_UP)
        fast.append(_seconds_per_step(ours, STEPS_PER_ROUND))
    how = "lean" if lean else "as it comes"
    return _speed(f"{recipe.slug}, {policy}, against TRL's SFTTrainer, {how}", fast, slow, goal)


def _speed(name: str, ours: Sequence[float], reference: Sequence[float], goal: float | None) -> Speed:
    """From the seconds of steps."""
    fast, slow = median(ours), median(reference)
    return Speed(name, 1 / fast, 1 / slow, slow / fast, goal)


def our_loop(recipe: Recipe, policy: str) -> Iterator[float]:
    """The loop of training.py without its measurements: a loss per step."""
    config = recipe.training
    learner = Learner(initial_model(recipe, 0), betas=config.betas, weight_decay=config.weight_decay)
    for batch in training_batches(recipe, MASK_POLICIES[policy], 0):
        yield learner.step(batch, config.learning_rate)


def plain_loop(recipe: Recipe, policy: str, model: GPT | None = None) -> Iterator[float]:
    """What one writes first: a module, AdamW as it comes, batches built in Python, cross_entropy's mean."""
    model = model or initial_model(recipe, 0)
    ids, pad = recipe.tokenizer.ids, recipe.tokenizer.pad_id or 0
    optimizer = torch.optim.AdamW(model.parameters(), lr=recipe.training.learning_rate)
    prompts = recipe.task.prompts(0, held_out=False)
    while True:
        sequences = []
        for prompt in islice(prompts, recipe.training.batch_size):
            sequences.append((len(prompt) + 2, [ids[c] for c in f"<{prompt}>{recipe.task.answer(prompt)}#"]))
        longest = max(len(sequence) for _, sequence in sequences)
        inputs, targets = [], []
        for prompt_length, sequence in sequences:
            pads = longest - len(sequence)
            x = sequence[:-1] + [pad] * pads
            y = sequence[1:] + [IGNORE_INDEX] * pads
            if policy == RIGHT.slug:
                y[: prompt_length - 1] = [IGNORE_INDEX] * (prompt_length - 1)
            inputs.append(x)
            targets.append(y)
        logits_BTV = model(torch.tensor(inputs))
        loss = F.cross_entropy(logits_BTV.flatten(0, 1), torch.tensor(targets).flatten())
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        yield loss.item()


def run_plain_loops(slug: str) -> None:
    """Both policies one after the other, measured as a race measures them: what a script without Maskscope would do."""
    torch.set_num_threads(PLAIN_THREADS)
    recipe = RECIPES[slug]
    held_out = recipe.task.held_out_prompts(RACE_WORDS)
    for policy in (RIGHT.slug, UNMASKED.slug):
        model = initial_model(recipe, 0)
        evaluate(model, recipe.task, recipe.tokenizer, held_out)
        for step, _ in zip(range(1, recipe.training.steps + 1), plain_loop(recipe, policy, model), strict=False):
            if recipe.training.is_evaluated(step):
                evaluate(model, recipe.task, recipe.tokenizer, held_out)


def trl_seconds_per_step(recipe: Recipe, policy: str, config: dict[str, Any]) -> float:
    """SFTTrainer on the same initial weights and prompts, already tokenized; its median time from step to step."""
    transformers, trl = import_module("transformers"), import_module("trl")
    for name in ("transformers", "datasets", "accelerate", "trl"):
        logging.getLogger(name).setLevel(logging.ERROR)
    transformers.utils.logging.disable_progress_bar()
    ends: list[float] = []

    class Clock(transformers.TrainerCallback):  # type: ignore[misc, name-defined]
        def on_step_end(self, *_: Any, **__: Any) -> None:
            ends.append(time.perf_counter())

    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        export_run(initial_model(recipe, 0), recipe.tokenizer, Path(folder, "model"))
        trainer = trl.SFTTrainer(
            model=transformers.AutoModelForCausalLM.from_pretrained(Path(folder, "model")),
            args=trl.SFTConfig(
                output_dir=folder,
                max_steps=TRL_STEPS,
                per_device_train_batch_size=recipe.training.batch_size,
                learning_rate=recipe.training.learning_rate,
                **config,
            ),
            train_dataset=_trl_examples(recipe, policy),
            processing_class=transformers.AutoTokenizer.from_pretrained(Path(folder, "model")),
            callbacks=[Clock()],
        )
        trainer.remove_callback(transformers.PrinterCallback)
        trainer.train()
    return median(later - earlier for earlier, later in pairwise(ends[TRL_WARM_UP:]))


def _trl_examples(recipe: Recipe, policy: str) -> Any:
    """As TRL reads them: ids, and which of them the loss counts."""
    datasets = import_module("datasets")
    datasets.disable_progress_bars()
    prompts = islice(recipe.task.prompts(0, held_out=False), TRL_STEPS * recipe.training.batch_size)
    conversations = render_prompts(recipe, list(prompts))
    masks = [supervised_tokens(conversation, MASK_POLICIES[policy]) for conversation in conversations]
    return datasets.Dataset.from_dict(
        {
            "input_ids": [list(conversation.token_ids) for conversation in conversations],
            "completion_mask": [[int(counted) for counted in mask] for mask in masks],
        }
    )


def share_of_gemm(recipe: Recipe, policy: str) -> GemmShare:
    """The operations of the loop's matrix products, counted as they run, against a large product on the same core."""
    torch.set_num_threads(1)
    config = recipe.training
    learner = Learner(initial_model(recipe, 0), betas=config.betas, weight_decay=config.weight_decay)
    batches = list(islice(training_batches(recipe, MASK_POLICIES[policy], 0), 20))
    counter = FlopCounterMode(display=False)
    with counter:
        for batch in batches:
            learner.backward(batch)
    per_step = counter.get_total_flops() / len(batches)
    square = torch.randn(GEMM_SIDE, GEMM_SIDE)
    gemm_seconds = median(seconds_of(lambda: square @ square) for _ in range(200))
    loop_seconds = median(_seconds_per_step(our_loop(recipe, policy), STEPS_PER_ROUND) for _ in range(3))
    gemm, loop = 2 * GEMM_SIDE**3 / gemm_seconds / 1e9, per_step / loop_seconds / 1e9
    return GemmShare(f"{recipe.slug}, {policy}, share of one core's GEMM rate", per_step, loop, gemm, loop / gemm)


def _seconds_per_step(loop: Iterator[float], steps: int) -> float:
    return seconds_of(lambda: [next(loop) for _ in range(steps)]) / steps


def seconds_of(function: Callable[[], object]) -> float:
    started = time.perf_counter()
    function()
    return time.perf_counter() - started
