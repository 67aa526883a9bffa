"""Mask bugs found from ids and labels. Rows are literal: inputs above labels, `.` ignored, `_` a pad."""

import re
from collections.abc import Sequence
from itertools import islice
from string import ascii_lowercase

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.experiments.bugs.gallery import GALLERY, batch_findings
from model.explain.cells import inspect_mask
from model.inspector.catalogue import RULES
from model.inspector.rules import Finding, TemplateIds, findings
from model.masks.batches import Batch, make_batch
from model.masks.policies import IGNORE_INDEX, MASK_POLICIES
from model.text.chat_template import render
from model.text.tokenizer import PAD, Tokenizer
from model.training.recipes import ALL_RECIPES, Recipe

TOKENIZER = Tokenizer(ascii_lowercase, pads=True)
IDS = TemplateIds(TOKENIZER.ids["<"], TOKENIZER.ids[">"], TOKENIZER.ids["#"], TOKENIZER.ids[PAD])

FOUND: dict[str, set[str]] = {
    "mask-late": {"first-response-token-not-trained"},
    "mask-early": {"supplied-token-supervised"},
    "eos-masked": {"stop-not-supervised"},
    "pad-is-eos": {"pad-equals-stop"},
    "unmasked": {"everything-supervised"},
    "all-masked": {"no-supervised-tokens"},
    "prompt-only": {"other-role-supervised"},
    "double-shift": {"label-shift"},
    "no-shift": {"label-shift"},
    "pad-supervised": {"pad-supervised"},
    "left-pad-unmasked": {"pads-attended"},
    "left-pad-no-positions": {"positions-run-on"},
    "left-pad": set(),
    "truncated": {"truncated"},
    "last-turn-only": {"assistant-turn-not-supervised"},
    "packed-naive": {"packing-seam"},
    "packed": set(),
}
"""For each bug of the gallery all that is found in a batch of its training."""


def training_batch(recipe: Recipe, policy: str, seed: int = 0) -> Batch:
    words = islice(recipe.task.prompts(seed, held_out=False), 32)
    conversations = [render(recipe.task.conversation(word), recipe.tokenizer) for word in words]
    return make_batch(conversations, MASK_POLICIES[policy], recipe.tokenizer, row_tokens=recipe.row_tokens)


def found_in(batch: Batch, recipe: Recipe) -> tuple[Finding, ...]:
    return batch_findings(batch, recipe.tokenizer, recipe.task.most_turns)


def ids_of(rows: Sequence[str]) -> list[list[int]]:
    special = {".": IGNORE_INDEX, "_": IDS.pad}
    return [[special.get(c, TOKENIZER.ids.get(c)) for c in row] for row in rows]


def slugs(
    inputs: Sequence[str],
    labels: Sequence[str],
    documents: Sequence[str] | None = None,
    positions: Sequence[Sequence[int]] | None = None,
    most_turns: int | None = None,
    ids: TemplateIds = IDS,
) -> list[str]:
    """The findings of literal rows; documents as digits."""
    numbered = None if documents is None else [[int(digit) for digit in row] for row in documents]
    found = findings(
        ids_of(inputs), ids_of(labels), ids, documents=numbered, positions=positions, most_turns=most_turns
    )
    return [finding.slug for finding in found]


def test_every_bug_of_the_gallery_has_its_finding_stated():
    assert set(FOUND) == set(GALLERY)
    assert set().union(*FOUND.values()) < {rule.name for rule in RULES.values()}


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("slug", GALLERY)
def test_a_batch_trained_under_a_bug_gives_exactly_that_bug_away(slug: str, seed: int):
    recipe = GALLERY[slug].recipe
    assert {finding.slug for finding in found_in(training_batch(recipe, slug, seed), recipe)} == FOUND[slug]


@pytest.mark.parametrize(
    ("recipe", "policy"),
    [
        ("reverse", "prompt-masked"),
        ("reverse4", "prompt-masked"),
        ("dialogue", "prompt-masked"),
        ("reverse", "packed"),
        ("dialogue", "packed"),
        ("reverse", "left-pad"),
        ("dialogue", "left-pad"),
    ],
)
def test_in_the_right_batches_nothing_is_found(recipe: str, policy: str):
    for seed in range(10):
        assert found_in(training_batch(ALL_RECIPES[recipe], policy, seed), ALL_RECIPES[recipe]) == ()


@pytest.mark.parametrize("slug", ["mask-late", "mask-early", "eos-masked", "pad-supervised", "unmasked"])
def test_a_finding_counts_what_the_mask_gets_wrong_and_names_its_first_place(slug: str):
    recipe = GALLERY[slug].recipe
    conversations = [
        render(recipe.task.conversation(word), recipe.tokenizer)
        for word in islice(recipe.task.prompts(0, held_out=False), 32)
    ]
    inspection = inspect_mask(recipe, conversations, MASK_POLICIES[slug])
    (finding,) = found_in(training_batch(recipe, slug), recipe)
    assert str(len(inspection.mistakes)) in re.findall(r"\d+", finding.sentence)
    row = next(n for n, cells in enumerate(inspection.rows) if any(cell.mistake for cell in cells))
    place = next(cell.position for cell in inspection.rows[row] if cell.mistake)
    assert (finding.row, finding.position) == (row, place)
    assert finding.sentence.endswith(f"first in row {row + 1} at position {place}.")


@pytest.mark.parametrize("slug", [slug for slug, found in FOUND.items() if found])
def test_neither_the_order_nor_the_repetition_of_rows_changes_what_is_found(slug: str):
    recipe, batch = GALLERY[slug].recipe, training_batch(GALLERY[slug].recipe, slug)
    inputs, labels = batch.inputs_BT.tolist(), batch.targets_BT.tolist()
    documents = None if batch.documents_BT is None else batch.documents_BT.tolist()
    ids = TemplateIds(*(recipe.tokenizer.ids[token] for token in "<>#"), recipe.tokenizer.pad_id)
    found = {
        f.slug
        for f in findings(
            inputs[::-1] * 2,
            labels[::-1] * 2,
            ids,
            documents=documents and documents[::-1] * 2,
            most_turns=recipe.task.most_turns,
        )
    }
    assert found == FOUND[slug]


def test_the_right_labels_of_two_padded_rows_are_right():
    assert slugs(["<abc>cba", "<a>a#___"], ["....cba#", "..a#...."]) == []


def test_two_turns_are_no_packed_conversations_unless_conversations_have_one():
    inputs, labels = ["<ab>ba#<c>c"], ["...ba#...c#"]
    assert slugs(inputs, labels) == []
    assert slugs(inputs, labels, most_turns=2) == []
    assert slugs(inputs, labels, most_turns=1) == ["packing-seam"]
    assert slugs(inputs, labels, ["11111112222"], [[0, 1, 2, 3, 4, 5, 6, 0, 1, 2, 3]], most_turns=1) == []


def test_positions_that_run_on_into_the_next_conversation_are_found():
    assert slugs(["<ab>ba#<c>c"], ["...ba#...c#"], ["11111112222"], most_turns=1) == ["positions-run-on"]


def test_the_first_token_of_the_next_conversation_is_no_label_of_the_last():
    inputs, labels, documents = ["<ab>ba#<c>c"], ["...ba#<..c#"], ["11111112222"]
    positions = [[0, 1, 2, 3, 4, 5, 6, 0, 1, 2, 3]]
    assert slugs(inputs, labels, documents, positions) == ["packing-seam"]
    assert slugs(inputs, labels, most_turns=1) == ["other-role-supervised", "packing-seam"]
    assert slugs(inputs, labels) == ["other-role-supervised"]  # a next turn, as far as one can see


def test_an_attention_mask_of_ones_and_zeros_hides_pads_as_documents_do():
    inputs, labels, mask = ["<ab>ba#"[:6], "__<c>c"], ["...ba#", "....c#"], ["111111", "001111"]
    right = [[0, 1, 2, 3, 4, 5], [0, 0, 0, 1, 2, 3]]
    assert slugs(inputs, labels, mask, right) == []
    assert slugs(inputs, labels, mask) == ["positions-run-on"]
    assert slugs(inputs, labels, ["111111", "111111"], right) == ["pads-attended"]
    assert slugs(inputs, labels) == ["pads-attended"]


def test_pads_that_equal_the_stop_are_no_bug_while_the_stop_keeps_its_label():
    ids = TemplateIds(IDS.user_start, IDS.answer_start, IDS.stop, IDS.stop)
    assert slugs(["<abc>cba", "<a>a####"], ["....cba#", "..a#...."], ids=ids) == []
    assert slugs(["<abc>cba", "<a>a####"], ["....cba.", "..a....."], ids=ids) == ["pad-equals-stop"]
    assert slugs(["<abc>cba", "<a>a####"], ["....cba#", "..a##..."], ids=ids) == ["pad-supervised"]


def test_one_answer_without_its_first_label_among_right_ones_is_found():
    inputs, labels = ids_of(["<ab>ba", "<cd>dc"]), ids_of(["...ba#", "....c#"])
    (finding,) = findings(inputs, labels, IDS)
    assert (finding.rule, finding.severity, finding.row, finding.position) == ("M11", "error", 1, 3)
    assert finding.sentence == (
        "The first token of the answer has no label. In 1 row, 1 token in all; first in row 2 at position 3."
    )


def test_two_bugs_in_one_batch_are_both_found():
    assert slugs(["<ab>ba", "<c>c#_"], ["..>ba#", "..c..."]) == ["stop-not-supervised", "supplied-token-supervised"]
    assert slugs(["<abc>cba", "__<a>a#_"], ["....cba#", "....a#__"]) == ["pad-supervised", "pads-attended"]


def test_a_cut_answer_is_found_behind_the_last_input_and_before_pads():
    assert slugs(["<abc>c", "<d>d#_"], ["....cb", "..d#.."]) == ["truncated"]
    assert slugs(["<ab>ba", "<d>d__"], ["...ba#", "..d..."]) == ["truncated"]


def test_a_label_missing_inside_an_answer_is_found():
    assert slugs(["<abcd>dcba"], [".....d.ba#"]) == ["oracle-disagreement"]
    assert slugs(["<abcd>dcba"], [".......ba#"]) == ["first-response-token-not-trained"]
    assert slugs(["<abcd>dcba"], [".....dc..."]) == ["stop-not-supervised", "oracle-disagreement"]


def test_labels_of_another_row_are_found():
    assert slugs(["<abcd>dcba", "<efgh>hgfe"], [".....hgfe#", ".....dcba#"]) == ["mask-misaligned"]


@given(st.data())
def test_whatever_single_label_of_a_right_batch_is_changed_it_is_found(data: st.DataObject):
    policy, recipe = data.draw(
        st.sampled_from([(p, r) for p in ("prompt-masked", "left-pad", "packed") for r in ("reverse", "dialogue")])
    )
    known = ALL_RECIPES[recipe]
    batch = training_batch(known, policy, data.draw(st.integers(0, 5)))
    row, position = (data.draw(st.integers(0, size - 1)) for size in batch.targets_BT.shape)
    now = int(batch.targets_BT[row, position])
    other = data.draw(st.sampled_from([IGNORE_INDEX, *range(known.tokenizer.vocab_size)]).filter(lambda i: i != now))
    batch.targets_BT[row, position] = other
    assert any(finding.row == row for finding in found_in(batch, known))


@given(st.data())
def test_any_ids_and_labels_can_be_read_and_findings_lie_within_them(data: st.DataObject):
    rows, length = data.draw(st.integers(1, 3)), data.draw(st.integers(1, 8))
    some = st.sampled_from([0, 1, IDS.user_start, IDS.answer_start, IDS.stop, IDS.pad])

    def draw(values: st.SearchStrategy[int]) -> list[list[int]]:
        return [data.draw(st.lists(values, min_size=length, max_size=length)) for _ in range(rows)]

    for finding in findings(
        draw(some),
        draw(some | st.just(IGNORE_INDEX)),
        IDS,
        documents=draw(st.integers(0, 2)) if data.draw(st.booleans()) else None,
        most_turns=data.draw(st.sampled_from([None, 1, 4])),
    ):
        assert finding.rule in RULES
        assert finding.row in range(rows)
        assert finding.position in range(length)


def test_rows_are_counted_from_one_and_positions_from_zero():
    batch = training_batch(ALL_RECIPES["reverse4"], "mask-early")
    (finding,) = found_in(batch, ALL_RECIPES["reverse4"])
    assert re.findall(r"row (\d+) at position (\d+)", finding.sentence) == [("1", "4")]
    assert batch.targets_BT[finding.row, finding.position] == ALL_RECIPES["reverse4"].tokenizer.ids[">"]
