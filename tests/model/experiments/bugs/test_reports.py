"""model/experiments/bugs/reports.py: each once per bug, with a sentence of our own and an address."""

import re

import pytest

from model.experiments.bugs.gallery import GALLERY
from model.experiments.bugs.reports import Report

REPORTS = [(slug, report) for slug, bug in GALLERY.items() for report in bug.reports]


@pytest.mark.parametrize(
    ("slug", "report"), REPORTS, ids=lambda value: value if isinstance(value, str) else value.number
)
def test_a_report_has_a_sentence_and_an_address(slug: str, report: Report):
    assert re.fullmatch(r"https://github\.com/[\w.-]+/[\w.-]+/(issues|pull)/\d+", report.address)
    assert 40 <= len(report.happened) <= 300
    assert report.happened.endswith(".")


def test_no_report_stands_twice_under_one_bug():
    named = [(slug, report.repository, report.number) for slug, report in REPORTS]
    assert len(named) == len(set(named))
    assert len({slug for slug, *_ in named}) >= 6
