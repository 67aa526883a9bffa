"""Families of chat templates, and what a variant of a case is: other letters, markers, ids and roles.

In the notation of the cases; `Family.written` puts a family's own markers in.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Family:
    """Markers stand for `<u>`, `<a>` and so on; what stands behind a stop is never marked."""

    template: str
    markers: Mapping[str, str]
    special: tuple[str, ...]
    tokens: Mapping[str, str]
    behind_stop: str = ""

    def written(self, marked: str) -> str:
        text = re.sub("<e>(⟧?)", lambda found: f"<e>{found[1]}{self.behind_stop}", marked)
        return re.sub(r"<(\w|im)>", lambda found: self.markers.get(found[0], found[0]), text)


def headed(before: str, behind: str) -> dict[str, str]:
    names = {"<u>": "user", "<a>": "assistant", "<s>": "system", "<t>": "tool"}
    return {mark: f"{before}{name}{behind}" for mark, name in names.items()}


def looped(turn: str, prompt: str) -> str:
    prompted = f"{{% if add_generation_prompt %}}{prompt}{{% endif %}}"
    return f"{{% for m in messages %}}{turn}{{% endfor %}}{prompted}"


FAMILIES = {
    "tiny": Family(
        looped("<{{ {'user':'u','assistant':'a','system':'s','tool':'t'}[m.role] }}>{{ m.content }}<e>", "<a>"),
        {},
        ("<u>", "<a>", "<s>", "<t>", "<e>", "<z>", "<p>", "<b>", "<i>", "</i>", "<im>"),
        {"bos_token": "<b>", "eos_token": "<e>", "pad_token": "<p>"},
    ),
    "chatml": Family(
        looped("<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n", "<|im_start|>assistant\n"),
        {**headed("<|im_start|>", "\n"), "<e>": "<|im_end|>", "<z>": "<|endoftext|>", "<p>": "<|endoftext|>"}
        | {"<im>": "<|image_pad|>"},
        ("<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|image_pad|>"),
        {"eos_token": "<|im_end|>", "pad_token": "<|endoftext|>"},
        "\n",
    ),
    "headers": Family(
        "{{ bos_token }}"
        + looped(
            "<|start_header_id|>{{ m.role }}<|end_header_id|>\n\n{{ m.content }}<|eot_id|>",
            "<|start_header_id|>assistant<|end_header_id|>\n\n",
        ),
        {**headed("<|start_header_id|>", "<|end_header_id|>\n\n"), "<b>": "<|begin_of_text|>", "<e>": "<|eot_id|>"}
        | {"<z>": "<|end_of_text|>", "<p>": "<|pad|>", "<im>": "<|image|>"},
        (
            *("<|pad|>", "<|end_of_text|>", "<|begin_of_text|>", "<|start_header_id|>", "<|end_header_id|>"),
            *("<|eot_id|>", "<|image|>"),
        ),
        {"bos_token": "<|begin_of_text|>", "eos_token": "<|eot_id|>", "pad_token": "<|pad|>"},
    ),
    "turns": Family(
        "{{ bos_token }}"
        + looped(
            "<start_of_turn>{{ 'model' if m.role == 'assistant' else m.role }}\n{{ m.content }}<end_of_turn>\n",
            "<start_of_turn>model\n",
        ),
        {**headed("<start_of_turn>", "\n"), "<a>": "<start_of_turn>model\n", "<b>": "<bos>", "<e>": "<end_of_turn>"}
        | {"<z>": "<eos>", "<p>": "<pad>", "<im>": "<image_soft_token>"},
        ("<pad>", "<eos>", "<bos>", "<end_of_turn>", "<start_of_turn>", "<image_soft_token>"),
        {"bos_token": "<bos>", "eos_token": "<end_of_turn>", "pad_token": "<pad>"},
        "\n",
    ),
    "brackets": Family(
        "{{ bos_token }}{% for m in messages %}{% if m.role == 'user' %}[INST]{{ m.content }}[/INST]"
        "{% else %}{{ m.content }}</s>{% endif %}{% endfor %}",
        {"<b>": "<s>", "<u>": "[INST]", "<a>": "[/INST]", "<e>": "</s>", "<p>": "<pad>"},
        ("<s>", "</s>", "[INST]", "[/INST]", "<pad>"),
        {"bos_token": "<s>", "eos_token": "</s>", "pad_token": "<pad>"},
    ),
}


@dataclass(frozen=True)
class Variant:
    """`fires` for the wrong labels, or, without `wrong`, for the rows alone. With `mended` the right ones are read
    under that template. `stays` is all that right labels give away."""

    case: str
    family: str
    messages: Sequence[Mapping[str, Any]] | None
    right: str
    wrong: str | None
    fires: frozenset[str]
    template: str = ""
    mended: str = ""
    stays: frozenset[str] = frozenset()
    serving: Mapping[str, Any] = field(default_factory=dict)
    tools: tuple[Any, ...] = ()
    folder: Mapping[str, Any] = field(default_factory=dict)
    """For `make_folder`; tokens by text where a file wants ids."""
    row: Mapping[str, Any] = field(default_factory=dict)
    ignore: int = -100
    segments: str = ""
    """Where the second conversation of the row begins."""
    says: str = ""
    """Of what is found, a sentence holds this."""


def chat(*texts: str, system: str = "", **last: Any) -> list[dict[str, Any]]:
    roles = ("user", "assistant") * len(texts)
    said: list[dict[str, Any]] = [{"role": "system", "content": system}] if system else []
    said += [{"role": role, "content": text} for role, text in zip(roles, texts, strict=False)]
    said[-1].update(last)
    return said


def of(family: str, old: str, new: str) -> str:
    """The family's template with one thing changed."""
    template = FAMILIES[family].template
    assert old in template, old
    return template.replace(old, new)


def rules(*names: str) -> frozenset[str]:
    return frozenset(names)
