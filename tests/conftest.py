"""What several folders of tests share: the served product, as a process of its own."""

import gc
import os
import re
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import httpx
import pytest
import torch

from app.catalog import Catalog, load_catalog
from app.cli import COMMANDS
from app.settings import Settings
from model.experiments.ablation.plan import plan_of
from model.experiments.ablation.runs import Ablation, MeasuredRun, ablation_of
from model.experiments.ablation.shipped import load_ablation
from model.kept import KeptFile
from model.training.recipes import Variation

Arrivals = Mapping[str, Sequence[int | None]]
"""For each policy, the step from which each seed's model answers every word right; None: never."""


LONG = (
    *("tests/browser/", "api/test_races.py", "workers/test_servers.py", "workers/test_cluster.py"),
    *("races/test_sessions.py", "api/test_fuzzed.py", "app/test_main.py", "commands/test_claims.py"),
    *("workers/test_ablation.py", "tests/test_readme.py", "network/test_generation.py", "tests/test_wheel.py"),
    *("serving/test_server.py", "app/test_cli.py", "commands/test_inspect.py", "experiments/test_limits.py"),
    *("network/test_learner.py", "dispatcher/test_arms.py", "races/test_worker.py", "bugs/test_gallery.py"),
    *("pages/test_visualizer.py", "inspector/test_templates.py", "commands/test_padding.py", "pages/test_race.py"),
    *("experiments/test_other_answers.py", "tests/test_architecture.py"),
)
"""Where tests wait for browsers, servers, trainings: what takes five seconds and more, the longest first."""

SLOWED = """
import time
from app import cli, rows
decode = rows.decode
def decode_slowly(*args, **kwargs):
    for tokens in decode(*args, **kwargs):
        yield tokens
        time.sleep(SECONDS)
rows.decode = decode_slowly
cli.app(["serve", "--port", "0"])
"""
"""`maskscope serve` with a model that takes SECONDS per token, so that a stream can be met in its middle."""


@dataclass(frozen=True)
class Server:
    """A `maskscope serve` process that answers at `address`."""

    address: str
    process: subprocess.Popen[str]
    lines: list[str]

    @property
    def log(self) -> str:
        """All that it has written so far; its pipe is read by a thread."""
        return "".join(self.lines)

    def load(self) -> float:
        """The engine's load as /metrics tells it. Asked in loops, so without what httpx makes ready for https."""
        with urlopen(f"{self.address}/metrics", timeout=60) as answer:
            return float(re.findall(r"^maskscope_engine_load (\S+)$", answer.read().decode(), re.M)[0])


StartServer = Callable[..., AbstractContextManager[Server]]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--pictures", action="store_true", help="only look at pages, and take a picture each time")


def pytest_configure(config: pytest.Config) -> None:
    """What ships as JSON is read and checked once: dozens of files read it as they are collected, the claims at every
    start of an application. Any other folder is read each time.

    Garbage is looked for less often: each full look walks torch and thousands of tests, none of which is garbage.
    """
    gc.set_threshold(100_000, 20, 100)
    shipped, read = Settings().trained_folder, KeptFile.read
    kept: dict[int, tuple[KeptFile[Any, Any], Any]] = {}

    def read_once(self: KeptFile[Any, Any], folder: Path) -> Any:
        if folder != shipped:
            return read(self, folder)
        if id(self) not in kept:
            kept[id(self)] = self, read(self, folder)
        return kept[id(self)][1]

    patch = pytest.MonkeyPatch()
    patch.setattr(KeptFile, "read", read_once)
    config.add_cleanup(patch.undo)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files that take long begin first, so that all processes end at about the same time."""

    def place(item: pytest.Item) -> int:
        path = item.path.as_posix()
        return next((place for place, part in enumerate(LONG) if part in path), len(LONG))

    items.sort(key=place)


def pytest_collection_finish() -> None:
    """What is there now stays to the end: garbage is looked for in what tests make alone."""
    gc.freeze()


@pytest.fixture(scope="session", autouse=True)
def _one_torch_thread() -> None:
    """Several pytest processes run beside each other: two of one thread are faster than two of two."""
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="session")
def catalog() -> Catalog:
    """The shipped runs: frozen, and read by many tests."""
    return load_catalog(Settings().trained_folder)


@pytest.fixture(scope="session")
def read_once(catalog: Catalog) -> Iterator[None]:
    """Applications and commands in this process share what ships, instead of reading 150 files and drawing the
    ablation's samples a hundred times. Any other folder is read; so is this one by every server and by the catalog.
    """
    for command in COMMANDS.keys() - {"serve"}:  # imported when called otherwise, too late to be told
        import_module(f"app.commands.{command}")
    shipped = Settings().trained_folder
    kept: dict[str, Any] = {"load_catalog": catalog, "load_ablation": load_ablation(shipped)}

    def reader(name: str, read: Callable[[Path], Any]) -> Callable[[Path], Any]:
        return lambda folder: kept[name] if folder == shipped else read(folder)

    with pytest.MonkeyPatch.context() as patch:
        for read in (load_catalog, load_ablation):
            for name, module in list(sys.modules.items()):
                if name.startswith("app.") and vars(module).get(read.__name__) is read:
                    patch.setattr(module, read.__name__, reader(read.__name__, read))
        yield


@pytest.fixture(scope="session")
def make_ablation() -> Callable[..., Ablation]:
    """`make_ablation(("reverse4", Variation(width=16), {"prompt-masked": [100, 125], "unmasked": [None, 200]}))`"""

    def make(*given: tuple[str, Variation, Arrivals]) -> Ablation:
        policies, seeds = tuple(given[0][2]), len(next(iter(given[0][2].values())))
        plan = plan_of([(recipe, variation) for recipe, variation, _ in given], policies, seeds)
        arrivals = {setting.slug: entry[2] for setting, entry in zip(plan.settings, given, strict=True)}
        runs = []
        for setting, policy, seed in plan.runs():
            arrival = arrivals[setting.slug][policy][seed]
            steps = setting.evaluated_steps()
            right = tuple(float(arrival is not None and step >= arrival) for step in steps)
            guessed = tuple(3.4 if policy == "prompt-masked" else 3.26 for _ in steps)
            answered = tuple(0.01 if value else 3.0 for value in right)
            runs.append(
                MeasuredRun(
                    setting.slug, policy, seed, right, {"user": guessed, "template": guessed, "assistant": answered}
                )
            )
        return ablation_of(runs, plan, "c0ffee")

    return make


@pytest.fixture(scope="session")
def start_server() -> StartServer:
    """`with start_server() as server`: a process on a free port; `slowed` gives its model so many seconds per token.

    Its log, from its start to its end, may hold no traceback.
    """

    @contextmanager
    def started(*, slowed: float = 0, program: str = "", **environment: str) -> Iterator[Server]:
        program = f"SECONDS = {slowed}\n{SLOWED}" if slowed else program
        command = ["-c", program] if program else ["-m", "app.cli", "serve", "--port", "0"]
        process = subprocess.Popen(
            [sys.executable, *command],
            env={**os.environ, **environment},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert process.stderr is not None
        lines: list[str] = []
        reader: threading.Thread | None = None
        try:
            for line in process.stderr:
                lines.append(line)
                if found := re.search(r"running on (http://\S+)", line):
                    break
            else:
                raise AssertionError(f"the server did not start: {''.join(lines)}")
            reader = threading.Thread(target=lines.extend, args=(process.stderr,))
            reader.start()
            yield Server(found[1], process, lines)
        finally:
            process.terminate()
            process.wait(timeout=60)
            if reader is not None:
                reader.join()
            process.stderr.close()
        assert "Traceback" not in "".join(lines), "".join(lines)

    return started


@pytest.fixture(scope="session")
def live_server(start_server: StartServer) -> Iterator[str]:
    """The address of `maskscope serve` with the shipped runs."""
    with start_server(PYTHONWARNINGS="default") as server:
        assert httpx.get(f"{server.address}/readyz", timeout=60).status_code == 200
        yield server.address
