"""`maskscope survey`: what ships of real templates is what is found today, and the command shows it."""

from typer.testing import CliRunner

from app.cli import app
from app.settings import Settings
from app.workers.surveyed_templates import KEPT_SURVEY
from app.workers.template_survey import departures


def test_what_is_stated_of_real_templates_is_found_again():
    stated = KEPT_SURVEY.read(Settings().trained_folder)
    assert list(departures(stated, every=200)) == []


def test_o1_reads_the_real_templates_and_none_hits_a_limit():
    stated = KEPT_SURVEY.read(Settings().trained_folder)
    exact, rendered = stated.exact
    assert (len(stated.real), [one.name for one in stated.real if one.limit]) == (786, [])
    assert rendered >= exact >= 746
    assert not [one.name for one in stated.training if one.refused]


def test_the_tables_are_shown():
    shown = CliRunner().invoke(app, ["survey"], env={"COLUMNS": "200"})
    assert shown.exit_code == 0, shown.stderr
    assert "15 of 31 training templates" in shown.stdout
    assert "M07 stop-missing-from-render" in shown.stdout
