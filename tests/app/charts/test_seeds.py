"""app/charts/seeds.py: a dot for each run, at its value; none covers another; the shown pair is marked."""

from app.charts.seeds import BOTTOM, TOP, WIDTH, draw_seed_curves, draw_seeds
from app.settings import Settings
from model.experiments.ablation.seeds import SeedsAtStep, seeds_at
from model.experiments.ablation.shipped import load_ablation


def seeds(recipe: str, step: int) -> SeedsAtStep:
    ablation = load_ablation(Settings().trained_folder)
    return seeds_at(ablation.findings.ablation, ablation.comparison(recipe).setting, step)


def test_every_run_has_its_dot_at_its_value() -> None:
    at = seeds("reverse", 900)
    chart = draw_seeds(at, 0)
    by_run = {(dot.policy, dot.seed): dot for dot in chart.dots}
    assert len(by_run) == len(chart.dots) == 2 * len(at.pairs)
    for pair in at.pairs:
        assert abs(by_run["prompt-masked", pair.seed].x - WIDTH * pair.masked) <= 0.05
        assert abs(by_run["unmasked", pair.seed].x - WIDTH * pair.unmasked) <= 0.05
        assert by_run["prompt-masked", pair.seed].y < TOP < BOTTOM < by_run["unmasked", pair.seed].y
    assert {dot.seed for dot in chart.dots if dot.shown} == {0}


def test_dots_of_one_value_are_stacked() -> None:
    at = seeds("reverse4", 1000)
    chart = draw_seeds(at, 0)
    assert len({(dot.x, dot.y) for dot in chart.dots}) == 2 * len(at.pairs)


def test_what_is_said_is_said_of_every_seed() -> None:
    at = seeds("reverse4", 325)
    chart = draw_seeds(at, 3)
    assert chart.said == at.sentence().replace(" %", "\N{NO-BREAK SPACE}%")
    assert chart.description.count("; ") == len(at.pairs) - 1
    assert [dot.seed for dot in chart.dots if dot.shown] == [3, 3]


def test_every_seed_has_its_curve_behind_the_two_shown() -> None:
    ablation = load_ablation(Settings().trained_folder)
    setting = ablation.comparison("reverse4").setting
    paths = draw_seed_curves(ablation.findings.ablation, setting, (0, 325, 1000))
    for policy, path in paths.items():
        curves = [curve.split("L") for curve in path.split("M")[1:]]
        assert len(curves) == len(ablation.findings.ablation.seeds)
        rights = [
            ablation.findings.ablation.run(setting, policy, seed).exact_match
            for seed in ablation.findings.ablation.seeds
        ]
        place = setting.evaluated_steps().index(325)
        assert [curve[1] for curve in curves] == [f"325 {1000 * (1 - of_seed[place]):.0f}" for of_seed in rights]
        assert {curve[0].split()[0] for curve in curves} == {"0"}
        assert {curve[2].split()[0] for curve in curves} == {"1000"}
