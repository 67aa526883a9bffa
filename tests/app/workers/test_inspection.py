"""A template is a stranger's program: it ends soon with its own error, and the next request is answered."""

from collections.abc import Iterator
from typing import Any

import pytest

from app.workers.inspection import InspectionProcess
from model.errors import MaskscopeError
from model.inspector.refusals import LimitHit, TemplateRefused
from tests.app.hostile import GOOD, HOSTILE, ROWS

REFUSED = {
    "lipsum": ("{{ lipsum(n=100000) }}", "'lipsum' is undefined"),
    "attributes": ("{{ ''.__class__.__mro__ }}", "__class__"),
    "its own words": ("{{ raise_exception('no user message') }}", "no user message"),
}


@pytest.fixture(scope="module")
def process() -> Iterator[InspectionProcess]:
    with InspectionProcess(silence_seconds=1) as started:
        inspect(started, GOOD)
        yield started


def inspect(process: InspectionProcess, template: str) -> dict[str, Any]:
    process.ask({"do": "load", "materials": {"template": template}})
    return dict(process.ask({"do": "inspect", "rows": ROWS, "dump": False, "options": {}})["report"])


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_template_ends_with_its_own_error_and_the_next_request_is_answered(
    name: str, process: InspectionProcess
):
    template, says = HOSTILE[name]
    with pytest.raises(LimitHit, match=says):
        inspect(process, template)
    assert inspect(process, GOOD)["findings"] == []


@pytest.mark.parametrize("name", REFUSED)
def test_what_the_sandbox_refuses_is_a_finding_in_the_templates_own_words(name: str, process: InspectionProcess):
    template, says = REFUSED[name]
    findings = inspect(process, template)["findings"]
    assert any(one["rule"] == "M31" and says in one["says"] for one in findings)


def test_a_template_that_cannot_be_compiled_is_refused_with_its_line(process: InspectionProcess):
    with pytest.raises(TemplateRefused, match="line 2"):
        inspect(process, "{{ messages }}\n{% for %}")


def test_a_process_that_died_is_replaced(process: InspectionProcess):
    before = process.started
    process.stop()
    assert inspect(process, GOOD)["findings"] == []
    assert process.started == before + 1


def test_a_process_that_is_silent_is_killed_after_the_time_it_has():
    with InspectionProcess(silence_seconds=0.5) as short:
        with pytest.raises(MaskscopeError, match=r"0\.5 seconds"):
            inspect(short, HOSTILE["nested loops"][0])
        assert short.started == 1
