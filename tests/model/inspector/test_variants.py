"""The kinds of cases.jsonl in other letters: each fires its rule, and right labels of it are silent."""

from typing import Any

import pytest

from model.inspector.conventions import Loss
from model.inspector.folders import TokenizerFolder
from model.inspector.options import Options
from model.inspector.report import Report
from model.inspector.session import prepare_data, prepare_dump, report_on
from tests.model.inspector.families import FAMILIES, Variant
from tests.model.inspector.label_variants import LABEL_VARIANTS
from tests.model.inspector.template_variants import TEMPLATE_VARIANTS
from tests.model.inspector.test_session import NOW, labelled, rules, segments_of

VARIANTS = (*LABEL_VARIANTS, *TEMPLATE_VARIANTS)


def folder_for(variant: Variant, make_folder: Any) -> TokenizerFolder:
    family = FAMILIES[variant.family]
    plain = make_folder(family.special, **family.tokens)

    def numbered(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: numbered(one) for key, one in value.items()}
        if isinstance(value, list):
            return [numbered(one) for one in value]
        return plain.tokenizer.token_to_id(value)

    if not variant.folder:
        return plain
    files = {key: one if key.endswith("_token") else numbered(one) for key, one in variant.folder.items()}
    return make_folder(family.special, **{**family.tokens, **files})


def report(variant: Variant, folder: TokenizerFolder, template: str, marked: str | None) -> Report:
    options = Options(serving=variant.serving)
    data = None if variant.messages is None else [{"messages": variant.messages, "tools": list(variant.tools)}]
    if not marked:
        assert data
        return report_on(prepare_data(data, folder, template, options, NOW), options)
    text = FAMILIES[variant.family].written(marked)
    row = {**labelled(folder, text, ignore=variant.ignore), **variant.row}
    if variant.segments and variant.segments in marked:
        row["segment_ids"] = segments_of(folder, text, FAMILIES[variant.family].written(variant.segments))
    return report_on(prepare_dump([row], data, folder, template, options, NOW), options)


def name_of(variant: Variant) -> str:
    return f"{variant.case}-{variant.family}-{VARIANTS.index(variant)}"


@pytest.mark.parametrize("variant", VARIANTS, ids=name_of)
def test_a_variant_fires_its_rule_and_its_right_labels_nothing_more(variant: Variant, make_folder: Any):
    folder = folder_for(variant, make_folder)
    template = variant.template or FAMILIES[variant.family].template
    found = report(variant, folder, template, variant.wrong)
    assert rules(found) >= variant.fires, sorted(rules(found))
    assert (
        any(variant.says in place.says for place in found.places() if place.rule in variant.fires) or not variant.says
    )
    if variant.mended or variant.right:
        right = report(variant, folder, variant.mended or template, variant.right)
        loud = {
            (one.rule, one.first.says)
            for one in right.findings
            if one.severity != "info" and one.rule not in variant.stays
        }
        assert not loud


@pytest.mark.parametrize("family", FAMILIES)
def test_labels_that_a_loss_would_read_wrong_are_told_in_every_family(family: str, make_folder: Any):
    folder = make_folder(FAMILIES[family].special, **FAMILIES[family].tokens)
    text = FAMILIES[family].written("<u>sky<e><a>⟦blue as far as one can see today<e>⟧")
    aligned = [labelled(folder, text) for _ in range(6)]
    ahead = [{**row, "labels": [*row["labels"][1:], -100]} for row in aligned]
    twice = [{**row, "labels": [*row["labels"][2:], -100, -100]} for row in aligned]

    def found(rows: list[dict[str, Any]], loss: Loss) -> set[str]:
        options = Options(loss=loss)
        return rules(report_on(prepare_dump(rows, None, folder, None, options, NOW), options), "error")

    assert found(aligned, "does-not-shift") == found(ahead, "shifts") == found(twice, "shifts") == {"M10"}
    assert found(aligned, "shifts") == found(ahead, "does-not-shift") == set()


def test_each_case_has_three_variants_or_more():
    counted = [sum(variant.case == f"C{number:02}" for variant in VARIANTS) for number in range(1, 19)]
    assert min(counted) >= 3
