"""Two nodes, one of which dies: what a cluster made is the bytes of one machine, and the lost task is done again."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING, Any

import pytest
from typer.testing import CliRunner, Result

from app.cli import app
from app.settings import ROOT
from app.workers.cluster import NodeLost, connected

if TYPE_CHECKING:
    from ray.cluster_utils import Cluster

TOKENIZER = ROOT / "model" / "trained" / "tokenizers" / "chatml"
ABLATION = "reverse4 --seeds 2 --width 8 --steps 40 --evaluate-every 10 --evaluation-words 20"
SMALL = {"num_cpus": 1, "object_store_memory": 80_000_000}
SOON_SECONDS = 240.0


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    """Its first node. Nothing is told to anybody, a node that dies is missed soon, and tasks run as fast as tests."""
    import ray
    from ray.cluster_utils import Cluster

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_worker_niceness", "0")
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        patch.setenv("RAY_health_check_initial_delay_ms", "0")
        patch.setenv("RAY_health_check_period_ms", "500")
        made = Cluster(initialize_head=True, head_node_args={**SMALL, "include_dashboard": False})
        patch.setenv("RAY_ADDRESS", made.address)
        yield made
        ray.shutdown()
        made.shutdown()


@pytest.fixture
def second_node(cluster: Cluster) -> Iterator[Any]:
    node = cluster.add_node(**SMALL)
    cluster.wait_for_nodes(SOON_SECONDS)  # the dead node of a test before is no longer taken for one that lives
    yield node
    if node in cluster.worker_nodes:
        cluster.remove_node(node)


def maskscope(*words: object) -> Result:
    return CliRunner().invoke(app, [str(word) for word in words])


def run_while_a_node_dies(cluster: Cluster, node: Any, task: str, *words: object) -> Result:
    """The command, whose node is held in the middle of a task, so that it cannot end it, and then dies."""
    ended: list[Result] = []
    command = Thread(target=lambda: ended.append(maskscope(*words)))
    command.start()
    process = wait_for(lambda: working_at(task, node), command, ended)
    os.kill(process, signal.SIGSTOP)
    try:
        cluster.remove_node(node, allow_graceful=False)
    finally:
        os.kill(process, signal.SIGKILL)  # held, it would outlive its node
    command.join(SOON_SECONDS)
    (result,) = ended
    return result


def wait_for(found: Callable[[], int | None], command: Thread, ended: Sequence[Result]) -> int:
    until = time.monotonic() + SOON_SECONDS
    while (process := found()) is None:
        assert command.is_alive(), ended[0].output
        assert time.monotonic() < until
        time.sleep(0.01)
    return process


def working_at(task: str, node: Any) -> int | None:
    """The process of a node that is at a task: Ray lets it bear the task's name."""
    (raylet,) = node.all_processes["raylet"]
    for children in Path(f"/proc/{raylet.process.pid}/task").glob("*/children"):
        with suppress(OSError):  # a thread or a child that has ended
            for child in children.read_text().split():
                if Path(f"/proc/{child}/cmdline").read_bytes().startswith(f"ray::{task}".encode()):
                    return int(child)
    return None


def test_an_ablation_whose_node_dies_is_the_same_file_as_one_machine_s(
    cluster: Cluster, second_node: Any, tmp_path: Path
):
    here, there = tmp_path / "here.json", tmp_path / "there.json"
    assert maskscope("ablate", *ABLATION.split(), "--jobs", 1, "--into", here).exit_code == 0
    words = ("ablate", *ABLATION.split(), "--engine", "ray", "--jobs", 2, "--into", there)
    ended = run_while_a_node_dies(cluster, second_node, "train_on_node", *words)
    assert ended.exit_code == 0, ended.output
    assert there.read_bytes() == here.read_bytes()


def test_an_inspection_whose_node_dies_is_the_same_report_as_one_machine_s(
    cluster: Cluster, second_node: Any, tmp_path: Path
):
    data = rows_in(tmp_path / "rows.jsonl", 2000)
    words = ("inspect", data, "--tokenizer", TOKENIZER, "--json")
    here = maskscope(*words)
    there = run_while_a_node_dies(cluster, second_node, "OnNode", *words, "--engine", "ray", "--processes", 2)
    assert (there.exit_code, report_of(there)) == (here.exit_code, report_of(here))
    assert "M" in json.dumps(report_of(here)["findings"])


def test_a_row_that_cannot_be_read_ends_there_as_it_does_here(cluster: Cluster, tmp_path: Path):
    data = rows_in(tmp_path / "rows.jsonl", 600)
    data.write_text(data.read_text() + "{broken\n")
    words = ("inspect", data, "--tokenizer", TOKENIZER, "--json")
    here, there = maskscope(*words), maskscope(*words, "--engine", "ray")
    assert (there.exit_code, there.stderr) == (here.exit_code, here.stderr)
    assert here.exit_code == 2


def test_a_task_that_ends_every_process_it_is_given_to_is_given_up(cluster: Cluster, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("app.workers.cluster.RETRIES", 1)  # Ray waits longer before each
    with connected() as joined, pytest.raises(NodeLost, match="a task and its 1 retries"):
        asyncio.run(joined.run(die))


def die() -> None:
    os._exit(1)


def rows_in(path: Path, count: int) -> Path:
    """A stop stands in some contents, which is a finding."""
    with path.open("w") as file:
        for n in range(count):
            said = "Written <|im_end|> in it" if n % 700 == 3 else f"Answer {n}."
            turns = [{"role": "user", "content": f"Question {n}?"}, {"role": "assistant", "content": said}]
            file.write(json.dumps({"messages": turns}) + "\n")
    return path


def report_of(ended: Result) -> dict[str, Any]:
    """All but the clock's time, which the report notes."""
    report = dict(json.loads(ended.stdout))
    assert report.pop("notes")
    return report


def test_without_ray_one_line_says_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setitem(sys.modules, "ray", None)
    ended = maskscope("ablate", *ABLATION.split(), "--engine", "ray", "--into", tmp_path / "x.json")
    assert ended.exit_code == 1
    assert ended.stderr == "maskscope: --engine ray needs Ray: pip install 'maskscope[ray]'\n"


@pytest.mark.parametrize("address", ["127.0.0.1:9", "nowhere", "http://127.0.0.1:9/x"])
def test_a_cluster_that_does_not_answer_is_said_in_one_line(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, address: str
):
    monkeypatch.setenv("RAY_ADDRESS", address)
    ended = maskscope("ablate", *ABLATION.split(), "--engine", "ray", "--into", tmp_path / "x.json")
    assert ended.exit_code == 1
    (line,) = ended.stderr.splitlines()
    assert address in line


def test_a_dump_is_not_judged_on_a_cluster(tmp_path: Path):
    ended = maskscope("inspect", rows_in(tmp_path / "dump.jsonl", 1), "--dump", "--engine", "ray")
    assert ended.exit_code == 2
    assert "by one process" in ended.stderr
