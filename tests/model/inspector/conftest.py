"""Small real tokenizers, made here: byte-level BPE with a few special tokens."""

import json
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

from model.inspector.folders import TokenizerFolder, folder_of

SPECIAL = ("<u>", "<a>", "<s>", "<t>", "<e>", "<z>", "<p>", "<b>", "<i>", "</i>", "<im>")
CHATML = ("<|im_start|>", "<|im_end|>", "<|endoftext|>", "<|image_pad|>")
WORDS = ["hello world what is the answer for a mark draft better user assistant system"]

MakeFolder = Callable[..., TokenizerFolder]


def tokenizer_json(special: tuple[str, ...]) -> str:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=320, special_tokens=list(special), initial_alphabet=alphabet)
    tokenizer.train_from_iterator(WORDS, trainer)
    return tokenizer.to_str()


@pytest.fixture(scope="session")
def make_folder() -> MakeFolder:
    """`make_folder(generation_config={...}, config={...}, eos_token="<e>")`; `special` for other special tokens."""
    made: dict[tuple[str, ...], str] = {}

    def make(
        special: tuple[str, ...] = SPECIAL,
        generation_config: Mapping[str, Any] | None = None,
        config: Mapping[str, Any] | None = None,
        **tokens: Any,
    ) -> TokenizerFolder:
        usual = {"bos_token": "<b>", "eos_token": "<e>", "pad_token": "<p>"} if special == SPECIAL else {}
        if special == CHATML:
            usual = {"eos_token": "<|im_end|>", "pad_token": "<|endoftext|>"}
        made[special] = made.get(special) or tokenizer_json(special)
        files = {"tokenizer.json": made[special], "tokenizer_config.json": json.dumps(usual | tokens)}
        if generation_config:
            files["generation_config.json"] = json.dumps(generation_config)
        if config:
            files["config.json"] = json.dumps(config)
        return folder_of(files)

    return make


@pytest.fixture(scope="session")
def folder(make_folder: MakeFolder) -> TokenizerFolder:
    return make_folder()


@pytest.fixture(scope="session")
def chatml(make_folder: MakeFolder) -> TokenizerFolder:
    return make_folder(CHATML)
