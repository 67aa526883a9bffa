"""The README says what is true: its requests work, its commands exist, its table is what was measured."""

import json
import re
import shlex
from pathlib import Path

import httpx
import pytest
from typer.testing import CliRunner

from app.cli import app
from app.pages import PAGES
from model.claims.evidence import gather
from model.claims.ledger import ledger
from model.experiments.ablation.findings import find
from model.experiments.ablation.runs import ABLATION_FILE, read_ablation
from model.experiments.ablation.words import catching_up, headline, verdict_sentence
from model.experiments.bugs.diagnosis import diagnose
from model.experiments.bugs.gallery import GALLERY, read_gallery
from model.experiments.dispatcher.arms import ARMS, SHARES
from model.experiments.reasoning import TRACE_PAIRS, runs_of
from model.intervals import Rate, pooled
from model.masks.policies import MASK_POLICIES, RIGHT
from model.training.checkpoints import read_run

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text()
COMMANDS = [
    line.strip()
    for block in re.findall(r"```sh\n(.*?)```", README, re.DOTALL)
    for line in block.replace("\\\n", " ").splitlines()
]


@pytest.mark.parametrize("command", [c for c in COMMANDS if c.startswith("curl")])
def test_every_request_works_as_it_stands(command: str, live_server: str) -> None:
    words = shlex.split(command)
    address = next(word for word in words if word.startswith("http://127.0.0.1:8000"))
    body = json.loads(words[words.index("-d") + 1])
    response = httpx.post(address.replace("http://127.0.0.1:8000", live_server), json=body)
    assert response.status_code == (201 if address.endswith("/races") else 200)
    told = response.text if "stream" in body else response.json()
    assert "hello" in response.text or {"prompt_length", "events", "mistake_count", "completion"} & set(told)


@pytest.mark.parametrize("command", [c for c in COMMANDS if "bin/maskscope" in c])
def test_every_command_works_as_it_stands(command: str, tmp_path: Path) -> None:
    arguments = [str(tmp_path) if word == "exported" else word for word in shlex.split(command)[1:]]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    assert result.output


@pytest.mark.parametrize("target", re.findall(r"`(?:[A-Z]+=\S+ )*make (\w+)`", README))
def test_every_target_exists(target: str) -> None:
    assert re.search(rf"^{target}:", (ROOT / "Makefile").read_text(), re.MULTILINE)


def test_what_it_says_of_the_ablation_is_what_the_ablation_shows() -> None:
    comparisons = find(read_ablation(ROOT / "model" / "trained" / ABLATION_FILE)).comparisons
    said = {c.setting.slug: verdict_sentence(c) for c in comparisons}
    for sentence in (headline(comparisons), catching_up(comparisons), said["reverse4"], said["reverse"]):
        assert f" {sentence}\n" in README
    assert said["reverse-lr0.0005"].split(" The steps")[0] in README


def test_the_table_of_mask_bugs_is_what_was_measured() -> None:
    measured = read_gallery(ROOT / "model" / "trained")
    rows = re.findall(r"^\| `([\w-]+)` \| (\w+) \| (.+?) \| (.+?) \| (.+?) \| (.+?) \|$", README, re.MULTILINE)
    assert [row[0] for row in rows] == list(GALLERY)
    for slug, recipe, exact, stops, loss, word in rows:
        symptoms, right = measured[recipe, slug].symptoms, measured[recipe, RIGHT.slug].symptoms
        for cell, rate in ((exact, symptoms.exact_match), (stops, symptoms.stops)):
            assert cell == f"{rate.value:.3f} ({rate.low:.3f} to {rate.high:.3f})"
        assert loss == ("none" if symptoms.own_loss is None else f"{symptoms.own_loss:.3f}")
        assert word == diagnose(symptoms, right).word


def test_it_names_every_page_and_counts_what_there_is() -> None:
    for page in PAGES:
        assert f"\n| `{page.path}` | " in README
    assert f"{len(GALLERY)} ways" in README
    assert f"the {len(MASK_POLICIES)} masks" in README


def test_its_ledger_is_what_the_rules_say_today() -> None:
    for entry in ledger(gather(ROOT / "model" / "trained")):
        judgement = entry.judgement
        assert f"\n| {entry.claim.says} | {judgement.word} | {judgement.sentence} |\n" in README


def test_its_tables_of_sums_are_what_was_measured() -> None:
    evidence = gather(ROOT / "model" / "trained")

    def cell(rates: list[Rate]) -> str:
        rate = pooled(rates)
        return f"{rate.value:.3f} ({rate.low:.3f} to {rate.high:.3f})"

    for share in SHARES:
        cells = [cell([run.last.exact for run in evidence.dispatched.of(arm, share)]) for arm in ARMS]
        assert f"\n| {100 * share:.0f} % of the sums | {' | '.join(cells)} |\n" in README
    for comparison in TRACE_PAIRS.values():
        for recipe in comparison.recipes:
            runs = runs_of(evidence.reasoning, recipe.slug)
            cells = [cell([run.at(terms).right for run in runs]) for terms in comparison.terms()]
            assert f"\n| `{recipe.slug}` | {' | '.join(cells)} | " in README


def test_the_table_of_exact_match_is_what_the_runs_say() -> None:
    rows = re.findall(r"^\| (\w+) \| ([\d,]+) \| (.+?) \| (.+?) \|$", README, re.MULTILINE)
    assert len(rows) >= 6
    for recipe, step, *cells in rows:
        for policy, cell in zip(("prompt-masked", "unmasked"), cells, strict=True):
            rate = read_run(ROOT / "model" / "trained" / recipe / policy).metrics_at(int(step.replace(",", "")))
            exact = rate.exact_match
            assert cell == f"{exact.value:.3f} ({exact.low:.3f} to {exact.high:.3f})"
