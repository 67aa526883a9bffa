"""A trainer that nobody here wrote: TRL's SFTTrainer takes a step, and its batches, dumped by the README's two lines,
are clean, trained on the prompt, or without their stops, as it was told to make them.

TRL takes seconds to import: that is for the process that runs these tests, not for each that collects them.
"""

import json
import re
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
import torch

from model.inspector.folders import read_folder
from model.inspector.options import Options
from model.inspector.report import Report
from model.inspector.session import prepare_dump, report_on

ROOT = Path(__file__).resolve().parents[3]
FOLDER = ROOT / "model" / "trained" / "tokenizers" / "chatml"
(DUMPING,) = re.findall(r"```python\n(batches = .*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
CONVERSATIONS = [
    {
        "messages": [
            {"role": "user", "content": f"What is {n} plus {n + 1}?"},
            {"role": "assistant", "content": f"It is {2 * n + 1}."},
            {"role": "user", "content": "And the double?"},
            {"role": "assistant", "content": f"That is {4 * n + 2}."},
        ]
    }
    for n in range(50)
]
PLAIN = (FOLDER / "chat_template.jinja").read_text()
TAGGED = (
    "{% for m in messages %}{{ '<|im_start|>' + m.role + '\\n' }}{% if m.role == 'assistant' %}"
    "{% generation %}{{ m.content + '<|im_end|>' }}{% endgeneration %}"
    "{% else %}{{ m.content + '<|im_end|>' }}{% endif %}"
    "{{ '\\n' }}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"
)


def ignores_pads(pad_token_id: int) -> Any:
    """TRL's collator, and the line that many have: labels that are pads are ignored."""
    from trl.trainer.sft_trainer import DataCollatorForLanguageModeling

    class IgnoresPads(DataCollatorForLanguageModeling):
        def torch_call(self, examples: list[Any]) -> dict[str, Any]:
            batch: dict[str, Any] = super().torch_call(examples)
            batch["labels"][batch["labels"] == self.pad_token_id] = -100
            return batch

    return IgnoresPads(pad_token_id)


def dumped(
    folder: Path, monkeypatch: pytest.MonkeyPatch, template: str, pad: str, loses_pads: bool, **told: Any
) -> Report:
    import datasets
    import trl
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    collator = ignores_pads(PreTrainedTokenizerFast.from_pretrained(FOLDER).eos_token_id) if loses_pads else None
    tokenizer = PreTrainedTokenizerFast.from_pretrained(FOLDER, chat_template=template, pad_token=pad)
    size = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    model = LlamaForCausalLM(LlamaConfig(vocab_size=len(tokenizer), **size))
    settings = trl.SFTConfig(
        str(folder), max_steps=1, use_cpu=True, bf16=False, report_to=[], train_sampling_strategy="sequential", **told
    )
    data = datasets.Dataset.from_list(CONVERSATIONS)
    trainer = trl.SFTTrainer(model, settings, collator, train_dataset=data, processing_class=tokenizer)
    assert torch.isfinite(torch.tensor(trainer.train().training_loss))
    monkeypatch.chdir(folder)
    exec(DUMPING, {"trainer": trainer, "json": json})
    rows = [json.loads(line) for line in (folder / "batches.jsonl").read_text().splitlines()]
    options = Options()
    prepared = prepare_dump(rows, CONVERSATIONS, read_folder(FOLDER), PLAIN, options, datetime(2026, 1, 1))
    return report_on(prepared, options)


@pytest.mark.parametrize(
    ("template", "pad", "loses_pads", "answers_alone", "found"),
    [
        (TAGGED, "<|endoftext|>", False, True, []),
        (PLAIN, "<|endoftext|>", False, False, ["M02"]),
        (TAGGED, "<|im_end|>", True, True, ["M05"]),
        (TAGGED, "<|im_end|>", False, True, []),
    ],
    ids=["right", "the prompt is trained", "the stop is lost to the pad", "TRL's own collator keeps that stop"],
)
@pytest.mark.filterwarnings("ignore")  # theirs
def test_trl_s_own_batches_are_judged_as_it_was_told_to_make_them(
    template: str, pad: str, loses_pads: bool, answers_alone: bool, found: list[str],
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
):  # fmt: skip
    report = dumped(tmp_path, monkeypatch, template, pad, loses_pads, assistant_only_loss=answers_alone)
    assert [one.rule for one in report.findings if one.severity != "info"] == found
    assert (report.partial.rows, report.partial.tokens > 2_500) == (50, True)
