"""What the lesson claims about the base model and what SFT takes from it. Literal data and one rule each."""

from collections.abc import Mapping, Sequence
from dataclasses import fields

from model.claims.claim import Claim, Figure, Figures, Judgement, Source, does_not_hold, holds, holds_when, shown
from model.claims.evidence import Evidence
from model.experiments.dispatcher.arms import SHARES, unseen_sums
from model.experiments.shipped import SEEDS
from model.masks.policies import RIGHT
from model.training import loop, pretraining
from model.training.pretraining import PRETRAINING, Pretraining
from model.training.recipes import BASE, SUM_RECIPES, Recipe
from model.writing import joined

ENOUGH = 0.9
FAR_APART = 0.4
"""Of rates: SFT from the base has to be so much better than the same SFT from random weights."""
SAME_CODE = ("Learner", "make_batch", "GPT")
"""By name in both of the modules that train: loss, gradient and optimizer step; batches; the model."""
NAME_AND_RESPONSE = {"slug": "name", "title": "title", "task": "response"}
"""Fields of a recipe, and what they are told as."""


def shown_sums(share: float) -> str:
    """The conditions of SFT that saw a share of all sums."""
    return f"{told_share(share)} of the sums shown, the others asked, {len(SEEDS)} seeds"


def told_share(share: float) -> str:
    return f"{100 * share:.0f} %"


def _worksheet_figures(evidence: Evidence) -> Figures:
    bases = evidence.dispatched.bases
    conditions = f"all sums, {len(bases)} bases, step {bases[0].steps}, greedy"
    return {
        "continues": Figure.of_rates(
            "openings followed by another question", [b.plain.continues for b in bases], conditions
        ),
        "answers": Figure.of_rates("openings answered", [b.plain.right for b in bases], conditions),
    }


def _judge_worksheet(f: Figures) -> Judgement:
    found = f"{f['continues']} of the openings are followed by another question, and {f['answers']} are answered"
    return holds(f"{found}.") if f["continues"].at_least() > ENOUGH else does_not_hold(f"Only {found}.")


def _knowledge_figures(evidence: Evidence) -> Figures:
    dispatched = evidence.dispatched
    framed = [base.framed.right for base in dispatched.bases]
    found = {"framed": Figure.of_rates("sums right, the base, framed as Q and A", framed, "all sums")}
    for share in reversed(SHARES):
        conditions = shown_sums(share)
        for name, arm, title in (
            ("sft", RIGHT.slug, "SFT from the base"),
            ("scratch", "scratch", "the same SFT from random weights"),
        ):
            right = dispatched.rate(arm, "right", share)
            found[f"{name}_{share}"] = Figure.of_seeds(f"sums right, {title}", right, conditions)
        based, scratch = (dispatched.rates(arm, "right", share) for arm in (RIGHT.slug, "scratch"))
        found[f"gain_{share}"] = Figure.of_differences(
            "SFT from the base minus SFT from random weights, seed by seed",
            based,
            scratch,
            conditions,
            unseen_sums(share),
        )
    return found


def _judge_knowledge(f: Figures) -> Judgement:
    enough = [share for share in SHARES if f[f"sft_{share}"].value >= ENOUGH]
    most, *fewer = reversed(SHARES)
    others = [f"{f[f'sft_{share}']} with {told_share(share)} ({f[f'scratch_{share}']})" for share in fewer]
    found = (
        f"Asked as Q and A, the base gets {f['framed']} of the sums right. After SFT on {told_share(most)} of them, "
        f"{f[f'sft_{most}']} of the others are right (from random weights {f[f'scratch_{most}']}). With fewer shown, "
        f"it is {joined(others)}. With {told_share(SHARES[0])}, the {len(SEEDS)} seeds get "
        f"{f[f'sft_{SHARES[0]}'].by_seed()}. A base that was pretrained without sums was not tried."
    )
    clear = all(f[f"gain_{share}"].at_least() > FAR_APART for share in enough)
    if f["framed"].at_least() <= ENOUGH or not enough or not clear:
        return does_not_hold(found)
    if len(enough) == len(SHARES):
        return holds(found)
    tried = joined([told_share(share) for share in enough])
    return holds_when(
        f"SFT is shown enough of the sums: of the shares tried, {tried} got nine in ten of the others right, as the "
        f"mean of {len(SEEDS)} seeds. {found}"
    )


def _machinery_figures(evidence: Evidence) -> Figures:
    assert evidence
    base, sft, thought = PRETRAINING[BASE], SUM_RECIPES["answers"], SUM_RECIPES["sums-thought"]
    direct = SUM_RECIPES["sums-direct"]
    trace = [f.name for f in fields(Recipe) if getattr(direct, f.name) != getattr(thought, f.name)]
    by_name = [NAME_AND_RESPONSE[name] for name in trace if name in NAME_AND_RESPONSE]
    told = [NAME_AND_RESPONSE.get(name, name) for name in trace]
    code = [name for name in SAME_CODE if getattr(pretraining, name) is getattr(loop, name)]
    found = {"code": _count("functions that all trainings call, the same objects", code, SAME_CODE)}
    for name, title, before, after in (
        ("sft", "from pretraining to SFT", base, sft),
        ("reasoning", "from SFT to answers with a trace", sft, thought),
    ):
        first, second = _settings(before), _settings(after)
        same = [key for key in first if first[key] == second[key]]
        differ = [_change(key, first[key], second[key]) for key in first if first[key] != second[key]]
        found[f"{name}_same"] = _count(f"settings that are the same {title}", same, first)
        found[f"{name}_differ"] = _count(f"settings that differ {title}", differ, first)
    found["trace"] = _count("settings that differ with a trace and without", told, fields(Recipe))
    found["allowed"] = _count("of these, name and response", by_name, trace)
    return found


def _settings(trained: Pretraining | Recipe) -> Mapping[str, object]:
    """All that acts on a training, but for its data: by the name it is told under."""
    config = trained.training
    return {
        "tokenizer": trained.tokenizer,
        "model": trained.model,
        "first weights": getattr(trained, "base", None) or "random",
        "trained tokens": "the responses'" if isinstance(trained, Recipe) else "all",
        "learning rate": config.learning_rate,
        "steps": config.steps,
        "decay steps": config.decay_steps,
        "batch size": config.batch_size,
        "weight decay": config.weight_decay,
        "betas": config.betas,
    }


def _change(name: str, before: object, after: object) -> str:
    """`steps (4,000, then 500)`; of what has many fields its name alone."""
    if isinstance(before, str):
        return f"{name} ({before}, then {after})"
    if isinstance(before, (int, float)):
        return f"{name} ({before:,}, then {after:,})"
    return name


def _count(label: str, found: Sequence[str], among: Sequence[object] | Mapping[str, object]) -> Figure:
    return Figure(label, len(found), "count", joined(found), len(among))


def _judge_machinery(f: Figures) -> Judgement:
    code = f"every training calls the same {f['code'].conditions}"
    told = (
        f"From pretraining to SFT, {f['sft_same'].conditions} stay the same. These change: "
        f"{f['sft_differ'].conditions}. From SFT to the reasoning models, these change: "
        f"{f['reasoning_differ'].conditions}. The recipe with a trace differs from the one without only in "
        f"{f['trace'].conditions}."
    )
    if f["code"].value < len(SAME_CODE) or f["trace"].value > f["allowed"].value:
        return does_not_hold(told)
    if f["sft_differ"].value + f["reasoning_differ"].value == 0:
        return holds(f"{code.capitalize()}. {told}")
    return holds_when(f"“machinery” means the code: {code}. {told}")


BASE_CLAIMS: tuple[Claim, ...] = (
    Claim(
        "worksheet",
        "A pretrained model goes on with the worksheet instead of answering.",
        "gap",
        Source("/dispatcher", "maskscope dispatcher --check", "maskscope train worksheet"),
        _worksheet_figures,
        _judge_worksheet,
    ),
    Claim(
        "knowledge",
        "All knowledge is in the weights already; SFT installs a dispatcher.",
        "fix",
        shown("/dispatcher", "dispatcher"),
        _knowledge_figures,
        _judge_knowledge,
    ),
    Claim(
        "machinery",
        "From pretraining to SFT to reasoning the machinery stays the same.",
        "fix",
        shown("/reasoning", "claims", "--check"),
        _machinery_figures,
        _judge_machinery,
    ),
)
"""In the lesson's order."""
