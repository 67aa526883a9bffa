"""What several folders of tests share: the served product, as a process of its own."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence

import httpx
import pytest

from model.experiments.ablation.plan import plan_of
from model.experiments.ablation.runs import Ablation, MeasuredRun, ablation_of
from model.training.recipes import Variation

Arrivals = Mapping[str, Sequence[int | None]]
"""For each policy, the step from which each seed's model answers every word right; None: never."""


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"


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
def live_server() -> Iterator[str]:
    """The address of `maskscope serve` with the shipped runs."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    process = subprocess.Popen(
        [sys.executable, "-m", "app.cli", "serve", "--port", str(port)],
        env={**os.environ, "PYTHONWARNINGS": "default"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    address = f"http://127.0.0.1:{port}"
    try:
        _wait_until_ready(address, process)
        yield address
    finally:
        process.terminate()
        _, log = process.communicate(timeout=20)
    assert "Traceback" not in log, log


def _wait_until_ready(address: str, process: subprocess.Popen[str]) -> None:
    for _ in range(600):
        if process.poll() is not None:
            raise AssertionError(f"the server ended with {process.returncode}: {process.communicate()[1]}")
        try:
            if httpx.get(f"{address}/readyz").status_code == 200:
                return
        except httpx.TransportError:
            time.sleep(0.1)
    raise AssertionError("the server was not ready within a minute")
