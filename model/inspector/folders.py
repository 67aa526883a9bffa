"""A tokenizer's folder: its tokenizer, its chat template, and what each file says of stops, pads and media.

In: the files' contents by name (so that a worker may read them, or a page may be given them). Out: TokenizerFolder.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from model.inspector.refusals import LimitHit, UnreadableInput

if TYPE_CHECKING:
    from tokenizers import AddedToken, Tokenizer

TOKENIZER_BYTES = 64 << 20
LARGEST_ID = (1 << 32) - 1
"""The largest that the library takes; a dump may hold any number."""
FILES = (
    *("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "chat_template.jinja"),
    *("generation_config.json", "config.json"),
)
MEDIA_KEYS = re.compile(r"^(image|video|audio)_token_(id|index)$")
MEDIA_NAMES = re.compile(
    r"^\W*(im|img|image|vision|video|audio)([_ ▁-]?(pad|patch|soft|token|context|placeholder))*\W*$", re.IGNORECASE
)
CONTROL_NAMES = re.compile(r"^<[|\uff5c].+[|\uff5c]>$")
SERVING_FILES = ("generation_config.json", "config.json", "tokenizer_config.json")


@dataclass(frozen=True)
class TokenizerFolder:
    """What a folder's files say, as ids."""

    tokenizer: "Tokenizer"
    templates: Mapping[str, str]
    special: Mapping[str, str]
    """Texts of bos_token, eos_token, pad_token, ... as templates are given them."""
    stops: Mapping[str, frozenset[int]]
    """Of each serving file that names any."""
    media: frozenset[int]
    digest: str = field(default="")

    @property
    def vocabulary(self) -> int:
        return int(self.tokenizer.get_vocab_size(with_added_tokens=True))

    @cached_property
    def largest_id(self) -> int:
        return max(self.tokenizer.get_vocab(with_added_tokens=True).values(), default=0)

    @cached_property
    def added(self) -> "dict[int, AddedToken]":
        return dict(self.tokenizer.get_added_tokens_decoder())

    @cached_property
    def control(self) -> dict[str, int]:
        """Tokens that give a text its structure, by their text: the special ones, and those that look it."""
        return {
            token.content: number
            for number, token in self.added.items()
            if token.special or CONTROL_NAMES.match(token.content)
        }

    @cached_property
    def control_ids(self) -> frozenset[int]:
        return frozenset(self.control.values())

    def special_id(self, name: str) -> int | None:
        """The id of `bos_token`, `eos_token` or `pad_token`."""
        text = self.special.get(name)
        return None if text is None else self.tokenizer.token_to_id(text)

    def text_of(self, token: int) -> str:
        known = 0 <= token <= LARGEST_ID
        return self.tokenizer.decode([token], skip_special_tokens=False) if known else f"id {token}"

    def template(self, name: str | None = None) -> str | None:
        return self.templates.get(name or "default")


def read_folder(folder: Path) -> TokenizerFolder:
    """Raises UnreadableInput or LimitHit."""
    return folder_of(texts_of(folder))


def texts_of(folder: Path) -> dict[str, str]:
    """The texts of a folder's files by their names in it, for `folder_of`. Raises UnreadableInput or LimitHit."""
    if not folder.is_dir():
        raise UnreadableInput(f"{folder} is no folder", param="tokenizer")
    paths = [path for name in FILES if (path := folder / name).is_file()]
    paths += sorted((folder / "chat_templates").glob("*.jinja"))
    for path in paths:
        if path.stat().st_size > TOKENIZER_BYTES:
            raise LimitHit(f"{path.name} is larger than {TOKENIZER_BYTES >> 20} MiB", param="tokenizer")
    try:
        return {str(path.relative_to(folder)): path.read_text("utf-8") for path in paths}
    except UnicodeDecodeError as error:
        raise UnreadableInput(f"{folder}: not in UTF-8: {error.reason}", param="tokenizer") from error


def folder_of(files: Mapping[str, str]) -> TokenizerFolder:
    """A folder given as its files' texts. Raises UnreadableInput or LimitHit."""
    from tokenizers import Tokenizer  # a server's start needs none of it: its inspections have processes of their own

    if "tokenizer.json" not in files:
        raise UnreadableInput("there is no tokenizer.json", param="tokenizer")
    if len(files["tokenizer.json"]) > TOKENIZER_BYTES:
        raise LimitHit(f"tokenizer.json is larger than {TOKENIZER_BYTES >> 20} MiB", param="tokenizer")
    try:
        tokenizer = Tokenizer.from_str(files["tokenizer.json"])
    except Exception as error:  # the library raises nothing narrower
        kind = _json(files, "tokenizer.json").get("model")
        named = f"; its model is of the type {kind.get('type')!r}" if isinstance(kind, dict) else ""
        raise UnreadableInput(f"tokenizer.json: {error}{named}", param="tokenizer") from error
    tokenizer.no_padding()
    tokenizer.no_truncation()
    config = _json(files, "tokenizer_config.json")
    stops = {name: _stop_ids(_json(files, name), tokenizer) for name in SERVING_FILES if name in files}
    return TokenizerFolder(
        tokenizer,
        _templates(files, config),
        _special_texts(config) | _special_texts(_json(files, "special_tokens_map.json")),
        {name: ids for name, ids in stops.items() if ids},
        _media(_json(files, "config.json"), tokenizer),
    )


def _json(files: Mapping[str, str], name: str) -> dict[str, Any]:
    try:
        read = json.loads(files.get(name, "{}"))
    except (ValueError, RecursionError) as error:
        raise UnreadableInput(f"{name}: {error}", param="tokenizer") from error
    if not isinstance(read, dict):
        raise UnreadableInput(f"{name}: an object is expected", param="tokenizer")
    return read


def _templates(files: Mapping[str, str], config: Mapping[str, Any]) -> dict[str, str]:
    given = config.get("chat_template")
    templates: dict[str, str] = {}
    if isinstance(given, str):
        templates["default"] = given
    elif isinstance(given, list):
        entries = ((one.get("name"), one.get("template")) for one in given if isinstance(one, dict))
        templates = {str(name): text for name, text in entries if isinstance(text, str)}
    for name, text in files.items():
        if name.startswith("chat_templates/"):
            templates[Path(name).stem] = text
    if "chat_template.jinja" in files:
        templates["default"] = files["chat_template.jinja"]
    return templates


def _special_texts(config: Mapping[str, Any]) -> dict[str, str]:
    texts = {}
    for name, value in config.items():
        text = value.get("content") if isinstance(value, dict) else value
        if name.endswith("_token") and isinstance(text, str):
            texts[name] = text
    return texts


def _stop_ids(config: Mapping[str, Any], tokenizer: "Tokenizer") -> frozenset[int]:
    """`eos_token_id` as an id or a list of them; a text, as `eos_token` has it, for its id."""
    given = config.get("eos_token_id", config.get("eos_token"))
    if isinstance(given, dict):
        given = given.get("content")
    ids = [tokenizer.token_to_id(one) if isinstance(one, str) else one for one in _listed(given)]
    return frozenset(one for one in ids if isinstance(one, int))


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _media(config: Mapping[str, Any], tokenizer: "Tokenizer") -> frozenset[int]:
    ids = {value for key, value in config.items() if MEDIA_KEYS.match(key) and isinstance(value, int)}
    added = tokenizer.get_added_tokens_decoder().items()
    return frozenset(ids | {number for number, token in added if MEDIA_NAMES.match(token.content)})
