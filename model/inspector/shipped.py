"""The tokenizer that ships, and what a trainer would see of its example rows: right, and with what goes wrong.

In: the folder's text, template and rows. Out: its other files, the same bytes each time. Nothing is fetched.
"""

import json
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, trainers

from model.inspector.conversations import Conversation
from model.inspector.examples import MISTAKES, Labels, Mistake
from model.inspector.folders import TokenizerFolder, folder_of
from model.inspector.formats import detect_format, read_row
from model.inspector.inspection import Inspector, Order
from model.inspector.intents import Intent, declared_turns, right_mask
from model.inspector.partial import Partial

VOCABULARY = 1_024
START, END, PAD = "<|im_start|>", "<|im_end|>", "<|endoftext|>"
TAGS = ("<think>", "</think>", "<tool_call>", "</tool_call>")
"""Added to the vocabulary, and written by the model as any word is."""


def train_tokenizer(text: str) -> str:
    """tokenizer.json of a byte-level BPE: VOCABULARY tokens, the special ones and the tags among them."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY - len(TAGS),
        special_tokens=[PAD, START, END],
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator(text.splitlines(keepends=True), trainer)
    tokenizer.add_tokens([AddedToken(tag, normalized=False) for tag in TAGS])
    return str(tokenizer.to_str()) + "\n"


def tokenizer_config() -> str:
    return json.dumps({"eos_token": END, "pad_token": PAD, "model_max_length": 4096}, indent=1) + "\n"


def generation_config(tokenizer: str) -> str:
    read = Tokenizer.from_str(tokenizer)
    ids = {"eos_token_id": read.token_to_id(END), "pad_token_id": read.token_to_id(PAD)}
    return json.dumps(ids, indent=1) + "\n"


def make_files(folder: Path) -> dict[str, str]:
    """What the folder's text, template and rows make: its other files, by name."""
    tokenizer = train_tokenizer((folder / "text.txt").read_text("utf-8"))
    template = (folder / "chat_template.jinja").read_text("utf-8")
    files = {
        "tokenizer.json": tokenizer,
        "tokenizer_config.json": tokenizer_config(),
        "generation_config.json": generation_config(tokenizer),
    }
    rows = [json.loads(line) for line in (folder / "rows.jsonl").read_text("utf-8").splitlines()]
    made = folder_of(files)
    return files | {f"{one.slug}.jsonl": lines_of(dump_rows(rows, made, template, one)) for one in MISTAKES}


def dump_rows(rows: Sequence[Any], folder: TokenizerFolder, template: str, mistake: Mistake) -> list[dict[str, Labels]]:
    """What a collator would give to a trainer: ids and labels of each row."""
    intent = Intent()
    inspector = Inspector(folder, template, Order(intent), datetime(2026, 1, 1))
    dumped = []
    for number, row in enumerate(rows):
        conversation = read_row(row, detect_format(row))
        made = inspector.rendered(number, conversation, [], Partial())
        assert made is not None
        assert isinstance(conversation, Conversation)
        declared = declared_turns(conversation, [turn.message for turn in made.owned.turns], intent)
        mask = right_mask(made.owned, declared, intent, conversation)
        dumped.append({"input_ids": list(made.owned.ids), "labels": mistake.labels(made, mask)})
    return dumped


def lines_of(rows: Sequence[Any]) -> str:
    return "".join(f"{json.dumps(row, ensure_ascii=False)}\n" for row in rows)
