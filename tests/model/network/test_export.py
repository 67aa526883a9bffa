"""What `transformers` makes of an exported folder, from the folder alone. GPT2's logits are in test_gpt.py, its loss in
test_loss.py, the chat template in test_chat.py."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from hypothesis import given
from hypothesis import strategies as st

from model.network.export import export_run
from model.network.gpt import GPT
from model.text.chat_template import Message, render
from model.training.evaluation import complete_prompts
from model.training.recipes import RECIPES, Recipe


@dataclass(frozen=True)
class Exported:
    recipe: Recipe
    model: GPT
    folder: Path
    files: tuple[Path, ...]
    gpt2: Any
    tokenizer: Any


@pytest.fixture(scope="module", params=RECIPES.values(), ids=RECIPES)
def exported(
    request: pytest.FixtureRequest, trained_model: Callable[..., GPT], tmp_path_factory: pytest.TempPathFactory
) -> Exported:
    recipe: Recipe = request.param
    model = trained_model(recipe.slug, "prompt-masked", recipe.training.steps)
    folder = tmp_path_factory.mktemp("exports") / "new" / recipe.slug
    files = export_run(model, recipe.tokenizer, folder)
    gpt2 = transformers.AutoModelForCausalLM.from_pretrained(folder).eval()
    return Exported(recipe, model, folder, files, gpt2, transformers.AutoTokenizer.from_pretrained(folder))


def test_the_folder_holds_these_files_and_no_pickle(exported: Exported):
    assert sorted(path.name for path in exported.folder.iterdir()) == [
        "config.json",
        "generation_config.json",
        "model.safetensors",
        "tokenizer.json",
        "tokenizer_config.json",
    ]
    assert sorted(exported.files) == sorted(exported.folder.iterdir())


def test_the_auto_classes_find_gpt2_and_no_weight_is_missing_or_left_over(exported: Exported):
    model, report = transformers.GPT2LMHeadModel.from_pretrained(exported.folder, output_loading_info=True)
    assert isinstance(exported.gpt2, transformers.GPT2LMHeadModel)
    assert {name: list(problems) for name, problems in report.items() if problems} == {}
    assert sum(p.numel() for p in model.parameters()) == exported.model.config.parameter_count()


def test_the_tokenizer_has_our_ids_and_special_tokens(exported: Exported):
    ours, theirs = exported.recipe.tokenizer, exported.tokenizer
    assert theirs.get_vocab() == ours.ids
    assert len(theirs) == ours.vocab_size
    assert (theirs.bos_token, theirs.eos_token) == ("<", "#")
    assert theirs.eos_token_id == ours.end_of_turn_id
    assert theirs.pad_token_id == ours.pad_id
    assert theirs.model_max_length == exported.model.config.context_length


@given(words=st.lists(st.text("abcdefghijklmnopqrstuvwxyz", max_size=10), min_size=1, max_size=3))
def test_the_tokenizer_encodes_and_decodes_as_ours(exported: Exported, words: list[str]):
    messages = [message for word in words for message in (Message("user", word), Message("assistant", word[::-1]))]
    ids = render(messages, exported.recipe.tokenizer).token_ids
    text = exported.recipe.tokenizer.decode(ids)
    assert tuple(exported.tokenizer(text)["input_ids"]) == ids
    assert exported.tokenizer.decode(ids) == text


@pytest.mark.parametrize("character", ["A", " ", "\n", "\x00", "\u202e", "é", "😀", "1", "▁"])
def test_the_tokenizer_refuses_a_character_it_does_not_know(exported: Exported, character: str):
    with pytest.raises(Exception, match="Missing \\[UNK\\] token"):
        exported.tokenizer(f"<ab{character}c>")


def prompts_of(exported: Exported) -> tuple[tuple[str, ...], list[str]]:
    words = exported.recipe.task.held_out_prompts(20)
    return words, complete_prompts(exported.model, exported.recipe.task, exported.recipe.tokenizer, words)


def ask(exported: Exported, word: str) -> Any:
    """The prompt's tensors, by the exported chat template alone."""
    return exported.tokenizer.apply_chat_template(
        [{"role": "user", "content": word}], add_generation_prompt=True, return_dict=True, return_tensors="pt"
    )


@torch.inference_mode()
def test_greedy_generate_gives_our_text_for_held_out_words(exported: Exported):
    words, ours = prompts_of(exported)
    theirs = []
    for word in words:
        prompt = ask(exported, word)
        output = exported.gpt2.generate(**prompt, max_new_tokens=12)
        theirs.append(exported.tokenizer.decode(output[0, prompt["input_ids"].shape[1] :]))
    assert theirs == ours
    assert ours == [word[::-1] + "#" for word in words]


@torch.inference_mode()
def test_generate_needs_no_setting_and_gives_no_warning(exported: Exported):
    """The folder says all: greedy, where to stop, how long a sequence may become."""
    word = "a" * exported.recipe.task.max_length
    output = exported.gpt2.generate(**ask(exported, word))
    assert exported.tokenizer.decode(output[0]) == f"<{word}>{word}#"
    assert exported.gpt2.generation_config.max_length == exported.model.config.context_length


@torch.inference_mode()
def test_a_half_trained_model_makes_the_same_mistakes(trained_model: Callable[..., GPT], tmp_path: Path):
    recipe = RECIPES["reverse"]
    model = trained_model("reverse", "unmasked", 500)
    export_run(model, recipe.tokenizer, tmp_path)
    gpt2, tokenizer = (
        transformers.AutoModelForCausalLM.from_pretrained(tmp_path),
        transformers.AutoTokenizer.from_pretrained(tmp_path),
    )
    words = recipe.task.held_out_prompts(20)
    ours = complete_prompts(model, recipe.task, recipe.tokenizer, words)
    theirs = []
    for word in words:
        input_ids = tokenizer(f"<{word}>", return_tensors="pt")["input_ids"]
        output = gpt2.generate(input_ids, attention_mask=torch.ones_like(input_ids), max_new_tokens=20)
        theirs.append(tokenizer.decode(output[0, input_ids.shape[1] :]))
    assert theirs == [text[:20] for text in ours]
    assert any(text != word[::-1] + "#" for text, word in zip(ours, words, strict=True))


@torch.inference_mode()
def test_a_batch_padded_on_the_left_by_the_exported_tokenizer_gives_our_text(trained_model, tmp_path: Path):
    recipe = RECIPES["reverse"]
    model = trained_model("reverse", "prompt-masked", 3000)
    export_run(model, recipe.tokenizer, tmp_path)
    gpt2 = transformers.AutoModelForCausalLM.from_pretrained(tmp_path)
    tokenizer = transformers.AutoTokenizer.from_pretrained(tmp_path, padding_side="left")
    words = recipe.task.held_out_prompts(20)
    batch = tokenizer([f"<{word}>" for word in words], padding=True, return_tensors="pt")
    output = gpt2.generate(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"], max_new_tokens=12)
    texts = tokenizer.batch_decode(output[:, batch["input_ids"].shape[1] :])
    assert [text.replace("[pad]", "") for text in texts] == complete_prompts(
        model, recipe.task, recipe.tokenizer, words
    )


def test_exporting_leaves_the_model_alone_and_twice_gives_the_same_bytes(exported: Exported, tmp_path: Path):
    before = [parameter.clone() for parameter in exported.model.parameters()]
    again = export_run(exported.model, exported.recipe.tokenizer, tmp_path)
    assert all(torch.equal(old, new) for old, new in zip(before, exported.model.parameters(), strict=True))
    for path in again:
        assert path.read_bytes() == (exported.folder / path.name).read_bytes(), path.name


def test_config_json_names_gpt2s_own_settings(exported: Exported):
    config = json.loads((exported.folder / "config.json").read_text())
    assert config["model_type"] == "gpt2"
    assert config["activation_function"] == "gelu"
    assert config["n_positions"] == exported.model.config.context_length
    assert config["tie_word_embeddings"] is True
    assert {config["resid_pdrop"], config["embd_pdrop"], config["attn_pdrop"]} == {0.0}
