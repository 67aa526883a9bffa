"""Our labels against TRL's own collation, on our exported tokenizer and chat template.

TRL takes seconds to import: that is for the process that runs these tests, not for each that collects them.
"""

from itertools import islice
from pathlib import Path
from typing import Any

import pytest
import torch

from model.masks.batches import make_batch
from model.masks.policies import IGNORE_INDEX, MASK_POLICIES
from model.network.export import export_run
from model.text.chat_template import Message, render
from model.text.tasks import TURN_SEPARATOR
from model.training.loop import initial_model
from model.training.recipes import ALL_RECIPES, Recipe

CONVERSATIONS = 200


def as_dicts(messages: tuple[Message, ...]) -> list[dict[str, str]]:
    return [{"role": message.role, "content": message.content} for message in messages]


def collated(recipe: Recipe, rows: list[dict[str, Any]], folder: Path, **settings: Any) -> dict[str, torch.Tensor]:
    """All rows as one batch, prepared and collated as SFTTrainer does before training on them."""
    import datasets
    import trl
    from transformers import AutoModelForCausalLM, AutoTokenizer

    export_run(initial_model(recipe, 0), recipe.tokenizer, folder)
    trainer = trl.SFTTrainer(
        model=AutoModelForCausalLM.from_pretrained(folder),
        args=trl.SFTConfig(output_dir=str(folder), use_cpu=True, max_length=None, report_to=[], **settings),
        train_dataset=datasets.Dataset.from_list(rows),
        processing_class=AutoTokenizer.from_pretrained(folder),
    )
    batch: dict[str, torch.Tensor] = trainer.data_collator([trainer.train_dataset[i] for i in range(len(rows))])
    return batch


def assert_the_same(recipe: Recipe, conversations: list[tuple[Message, ...]], theirs: dict[str, torch.Tensor]) -> None:
    rendered = [render(conversation, recipe.tokenizer) for conversation in conversations]
    ours = make_batch(rendered, MASK_POLICIES["prompt-masked"], recipe.tokenizer)
    assert torch.equal(ours.inputs_BT, theirs["input_ids"][:, :-1])
    assert torch.equal(ours.targets_BT, theirs["labels"][:, 1:])  # theirs stand under the tokens they name
    assert (theirs["labels"][:, 0] == IGNORE_INDEX).all()


@pytest.mark.parametrize("slug", ["reverse4", "reverse", "dialogue"])
@pytest.mark.filterwarnings("ignore")  # theirs
def test_the_answers_labels_are_those_of_trls_completion_only_loss(slug: str, tmp_path: Path):
    recipe = ALL_RECIPES[slug]
    first_turns = (word.split(TURN_SEPARATOR)[0] for word in recipe.task.prompts(5, held_out=False))
    conversations = [recipe.task.conversation(word) for word in islice(first_turns, CONVERSATIONS)]
    rows = [{"prompt": as_dicts(c[:-1]), "completion": as_dicts(c[-1:])} for c in conversations]
    assert_the_same(recipe, conversations, collated(recipe, rows, tmp_path, completion_only_loss=True))


@pytest.mark.parametrize("slug", ["reverse4", "reverse", "dialogue"])
@pytest.mark.filterwarnings("ignore")  # theirs
def test_all_assistant_turns_labels_are_those_of_trls_assistant_only_loss(slug: str, tmp_path: Path):
    recipe = ALL_RECIPES[slug]
    words = islice(recipe.task.prompts(5, held_out=False), CONVERSATIONS)
    conversations = [recipe.task.conversation(word) for word in words]
    rows = [{"messages": as_dicts(c)} for c in conversations]
    assert_the_same(recipe, conversations, collated(recipe, rows, tmp_path, assistant_only_loss=True))
