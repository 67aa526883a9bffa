"""`make readme` (`python -m tests.readme_tables`): writes what the README shows of the product and its measurements.

Each part stands between `<!-- name -->` and `<!-- /name -->`; tests/test_readme.py holds the README to them.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from textwrap import fill

from app.pages import PAGES
from app.workers.loads import kept_loads
from app.workers.speeds import kept_speeds
from app.workers.surveyed_templates import KEPT_SURVEY, TemplateSurvey
from app.workers.tallies import Answers, told_ms
from model.claims.evidence import Evidence, gather
from model.claims.ledger import ledger
from model.experiments.ablation.sentences import catching_up, headline, verdict_sentence
from model.experiments.bugs.diagnosis import diagnose
from model.experiments.bugs.gallery import GALLERY
from model.experiments.dispatcher.arms import ARMS, SHARES
from model.experiments.reasoning.controls import control_rows
from model.experiments.reasoning.traces import TRACE_PAIRS, runs_of
from model.experiments.turns import MIXED, mixed_rows
from model.inspector.catalogue import RULES
from model.inspector.rule import SEVERITIES
from model.intervals import Rate, SeedRate, rate_over_seeds
from model.masks.policies import COMPARED_POLICIES, POLICY_NAMES, RIGHT

ROOT = Path(__file__).resolve().parent.parent
README = ROOT / "README.md"
STEPS = {"reverse": (200, 500, 700, 900, 1100, 1500, 3000), "reverse4": (300, 325, 400, 1000)}
"""By recipe, the steps at which exact match is shown."""


def told(rate: Rate) -> str:
    return f"{rate.value:.3f} ({rate.low:.3f} to {rate.high:.3f})"


def told_over_seeds(rate: SeedRate) -> str:
    """`0.980 (0.930 to 1.000) seeds 0.980; 1.000; 0.960`"""
    return f"{rate.value:.3f} ({rate.low:.3f} to {rate.high:.3f}) seeds {'; '.join(f'{s:.3f}' for s in rate.seeds)}"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (head, *rows)).replace(
        "\n", f"\n|{'---|' * len(head)}\n", 1
    )


def pages(evidence: Evidence) -> str:
    return table(("page", "what one sees"), ((f"`{page.path}`", page.about) for page in PAGES))


def exact_match(evidence: Evidence) -> str:
    rows = []
    for recipe, steps in STEPS.items():
        runs = [evidence.runs[recipe, policy] for policy in COMPARED_POLICIES]
        for step in steps:
            rows.append((recipe, f"{step:,}", *(told(run.metrics_at(step).exact_match) for run in runs)))
    return table(("recipe", "step", *POLICY_NAMES.values()), rows)


def ablation(evidence: Evidence) -> str:
    said = {c.setting.slug: verdict_sentence(c) for c in evidence.comparisons}
    halved = said["reverse-lr0.0005"].split(" The steps")[0]
    sentences = (
        headline(evidence.comparisons),
        catching_up(evidence.comparisons),
        f"`reverse4`: {said['reverse4']}",
        f"`reverse`: {said['reverse']}",
        f"`reverse` at half its learning rate: {halved}",
    )
    return "\n".join(fill(f"- {sentence}", 120, subsequent_indent="  ") for sentence in sentences)


def bugs(evidence: Evidence) -> str:
    rows = []
    for bug in GALLERY.values():
        symptoms, right = (evidence.gallery[bug.recipe.slug, slug].symptoms for slug in (bug.slug, RIGHT.slug))
        loss = "none" if symptoms.own_loss is None else f"{symptoms.own_loss:.3f}"
        rates = told(symptoms.exact_match), told(symptoms.stops)
        rows.append((f"`{bug.slug}`", bug.recipe.slug, *rates, loss, diagnose(symptoms, right).word))
    return table(("bug", "recipe", "exact match", "stops", "loss, nats", "what one sees"), rows)


def base(evidence: Evidence) -> str:
    rows = (
        (
            f"{100 * share:.0f} % of the sums",
            name,
            *(told_over_seeds(evidence.dispatched.rate(arm, rate, share)) for arm in ARMS),
        )
        for share in SHARES
        for rate, name in (("right", "right"), ("exact", "right and stopped"))
    )
    return table(("SFT saw", "unseen sums", *(arm.title for arm in ARMS.values())), rows)


def reasoning(evidence: Evidence) -> str:
    rows = []
    for comparison in TRACE_PAIRS.values():
        *_, longest, beyond = comparison.terms()
        for recipe in comparison.recipes:
            runs = runs_of(evidence.reasoning, recipe.slug)
            rates = (
                told_over_seeds(rate_over_seeds([run.at(terms).right for run in runs])) for terms in comparison.terms()
            )
            passes = sum(run.at(longest).passes for run in runs) / len(runs)
            rows.append((f"`{recipe.slug}`", *rates, f"{passes:.1f}"))
    first, *others = comparison.terms()
    terms = (f"{first} terms", *map(str, others[:-1]), f"{beyond}, never trained")
    return table(("recipe", *terms, f"passes at {longest}"), rows)


def controls(evidence: Evidence) -> str:
    rows = (
        (row.title, f"{row.steps:,}", f"{row.targets:,.0f}", f"{row.positions:.1f}", told_over_seeds(row.right))
        for row in control_rows(evidence.controls, evidence.reasoning)
    )
    return table(("trained to answer", "steps", "targets", "positions after the sum", "right, 6 terms"), rows)


def turns(evidence: Evidence) -> str:
    rows = (
        (f"`{row.policy}`", *map(told_over_seeds, row.by_turn), f"{row.targets:,.0f}")
        for row in mixed_rows(evidence.turns)
    )
    return table(("mask", *(f"turn {turn}" for turn in range(1, MIXED.task.most_turns + 1)), "targets"), rows)


def inspector_speed(evidence: Evidence) -> str:
    rows = (
        (
            one.name,
            *(f"{value:,.1f} {one.unit}" for value in (one.ours, one.reference)),
            f"{one.ratio:.2f}",
            one.verdict,
        )
        for one in kept_speeds(ROOT / "model" / "trained")
    )
    return table(("what", "ours", "reference", "ratio", "goal"), rows)


def school(evidence: Evidence) -> str:
    """What is the same before and now is told once."""
    loads = kept_loads(ROOT / "model" / "trained")
    assert loads.before, "maskscope bench --school --measure --before --url ..."
    assert loads.now, "maskscope bench --school --measure"
    rows = []
    for old, new in zip(loads.before.answers, loads.now.answers, strict=True):
        assert (old.scenario, old.name) == (new.scenario, new.name)
        cells = (_school_cells(old), _school_cells(new))
        told = (a if a == b else f"{a} → {b}" for a, b in zip(*cells, strict=True))
        rows.append((new.scenario, new.name, *told, new.verdict))
    return table(("who asks", "what", "a second", "p50", "p95", "p99", "answers", "memory", "goal"), rows)


def _school_cells(answers: Answers) -> tuple[str, ...]:
    memory = "" if answers.memory_mib is None else f"{answers.memory_mib:,.0f} MiB"
    times = map(told_ms, (answers.p50_ms, answers.p95_ms, answers.p99_ms))
    return f"{answers.per_second:,.1f}", *times, answers.told_statuses, memory


def training_templates(evidence: Evidence) -> str:
    """TRL's that supervise what their own generation prompt supplies."""
    rows = (
        (f"`{one.name}`", f"`{repr(text)[1:-1].replace('|', chr(92) + '|')}`", ways)
        for one in _survey().supervise_supplied
        for text, ways in one.texts.items()
    )
    return table(("training template", "supplied and supervised", "in rows of"), rows)


def real_templates(evidence: Evidence) -> str:
    fired = _survey().fired
    rules = dict.fromkeys(key.split()[0] for key in sorted(fired))
    rows = ((f"{rule} {RULES[rule].name}", *(f"{fired[f'{rule} {s}']:,}" for s in SEVERITIES)) for rule in rules)
    return table(("rule", *SEVERITIES), rows)


def _survey() -> TemplateSurvey:
    return KEPT_SURVEY.read(ROOT / "model" / "trained")


def claims(evidence: Evidence) -> str:
    rows = ((e.claim.says, e.judgement.word, e.judgement.sentence) for e in ledger(evidence))
    return table(("claim", "verdict", "what was found"), rows)


PARTS: dict[str, Callable[[Evidence], str]] = {
    "pages": pages,
    "exact-match": exact_match,
    "ablation": ablation,
    "bugs": bugs,
    "base": base,
    "reasoning": reasoning,
    "controls": controls,
    "turns": turns,
    "claims": claims,
    "training-templates": training_templates,
    "real-templates": real_templates,
    "inspector-speed": inspector_speed,
    "school": school,
}


def written(readme: str) -> str:
    """The README as the measurements have it."""
    evidence = gather(ROOT / "model" / "trained")
    for name, part in PARTS.items():
        between = re.compile(rf"(<!-- {name} -->\n).*?(\n<!-- /{name} -->)", re.DOTALL)
        assert len(between.findall(readme)) == 1, name
        text = part(evidence)
        readme = between.sub(lambda found, text=text: found[1] + text + found[2], readme)  # type: ignore[misc]
    return readme


if __name__ == "__main__":
    README.write_text(written(README.read_text()))
