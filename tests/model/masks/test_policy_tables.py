"""Every policy on four examples, as literal rows: under each input token its target.

`.` is ignored and `_` is a pad. Rows come in pairs, inputs above targets.
"""

from dataclasses import replace
from string import ascii_lowercase

import pytest
from torch import Tensor

from model.masks.batches import make_batch
from model.masks.policies import IGNORE_INDEX, MASK_POLICIES
from model.text.chat_template import Message, Rendered, render
from model.text.tokenizer import PAD, Tokenizer

TOKENIZER = Tokenizer(ascii_lowercase, pads=True)

EXAMPLES: dict[str, tuple[str, ...]] = {
    "single": ("<abcd>dcba#",),
    "padded": ("<abcdefg>gfedcba#", "<ab>ba#"),
    "turns": ("<ab>ba#<c>c#",),
    "packed": ("<ab>ba#", "<c>c#"),
}
"""The last one is packed and separated whatever the policy, unless it packs by itself."""

# fmt: off
TABLES: dict[str, dict[str, list[str]]] = {
    "prompt-masked": {
        "single": ["<abcd>dcba", ".....dcba#"],
        "padded": ["<abcdefg>gfedcba", "........gfedcba#", "<ab>ba#_________", "...ba#.........."],
        "turns": ["<ab>ba#<c>c", "...ba#...c#"],
        "packed": ["<ab>ba#<c>c", "...ba#...c#"],
    },
    "unmasked": {
        "single": ["<abcd>dcba", "abcd>dcba#"],
        "padded": ["<abcdefg>gfedcba", "abcdefg>gfedcba#", "<ab>ba#_________", "ab>ba#.........."],
        "turns": ["<ab>ba#<c>c", "ab>ba#<c>c#"],
        "packed": ["<ab>ba#<c>c", "ab>ba#.c>c#"],
    },
    "mask-early-3": {
        "single": ["<abcd>dcba", "..cd>dcba#"],
        "padded": ["<abcdefg>gfedcba", ".....fg>gfedcba#", "<ab>ba#_________", "ab>ba#.........."],
        "turns": ["<ab>ba#<c>c", "ab>ba#<c>c#"],
        "packed": ["<ab>ba#<c>c", "ab>ba#.c>c#"],
    },
    "mask-early-2": {
        "single": ["<abcd>dcba", "...d>dcba#"],
        "padded": ["<abcdefg>gfedcba", "......g>gfedcba#", "<ab>ba#_________", ".b>ba#.........."],
        "turns": ["<ab>ba#<c>c", ".b>ba#.c>c#"],
        "packed": ["<ab>ba#<c>c", ".b>ba#.c>c#"],
    },
    "mask-early": {
        "single": ["<abcd>dcba", "....>dcba#"],
        "padded": ["<abcdefg>gfedcba", ".......>gfedcba#", "<ab>ba#_________", "..>ba#.........."],
        "turns": ["<ab>ba#<c>c", "..>ba#..>c#"],
        "packed": ["<ab>ba#<c>c", "..>ba#..>c#"],
    },
    "mask-late": {
        "single": ["<abcd>dcba", "......cba#"],
        "padded": ["<abcdefg>gfedcba", ".........fedcba#", "<ab>ba#_________", "....a#.........."],
        "turns": ["<ab>ba#<c>c", "....a#....#"],
        "packed": ["<ab>ba#<c>c", "....a#....#"],
    },
    "mask-late-2": {
        "single": ["<abcd>dcba", ".......ba#"],
        "padded": ["<abcdefg>gfedcba", "..........edcba#", "<ab>ba#_________", ".....#.........."],
        "turns": ["<ab>ba#<c>c", ".....#....."],
        "packed": ["<ab>ba#<c>c", ".....#....."],
    },
    "mask-late-3": {
        "single": ["<abcd>dcba", "........a#"],
        "padded": ["<abcdefg>gfedcba", "...........dcba#", "<ab>ba#_________", "................"],
        "turns": ["<ab>ba#<c>c", "..........."],
        "packed": ["<ab>ba#<c>c", "..........."],
    },
    "mask-late-4": {
        "single": ["<abcd>dcba", ".........#"],
        "padded": ["<abcdefg>gfedcba", "............cba#", "<ab>ba#_________", "................"],
        "turns": ["<ab>ba#<c>c", "..........."],
        "packed": ["<ab>ba#<c>c", "..........."],
    },
    "eos-masked": {
        "single": ["<abcd>dcba", ".....dcba."],
        "padded": ["<abcdefg>gfedcba", "........gfedcba.", "<ab>ba#_________", "...ba..........."],
        "turns": ["<ab>ba#<c>c", "...ba....c."],
        "packed": ["<ab>ba#<c>c", "...ba....c."],
    },
    "pad-is-eos": {
        "single": ["<abcd>dcba", ".....dcba."],
        "padded": ["<abcdefg>gfedcba", "........gfedcba.", "<ab>ba##########", "...ba..........."],
        "turns": ["<ab>ba#<c>c", "...ba....c."],
        "packed": ["<ab>ba#<c>c", "...ba....c."],
    },
    "all-masked": {
        "single": ["<abcd>dcba", ".........."],
        "padded": ["<abcdefg>gfedcba", "................", "<ab>ba#_________", "................"],
        "turns": ["<ab>ba#<c>c", "..........."],
        "packed": ["<ab>ba#<c>c", "..........."],
    },
    "prompt-only": {
        "single": ["<abcd>dcba", "abcd>....."],
        "padded": ["<abcdefg>gfedcba", "abcdefg>........", "<ab>ba#_________", "ab>............."],
        "turns": ["<ab>ba#<c>c", "ab>...<c>.."],
        "packed": ["<ab>ba#<c>c", "ab>....c>.."],
    },
    "double-shift": {
        "single": ["<abcd>dcba", "....dcba#."],
        "padded": ["<abcdefg>gfedcba", ".......gfedcba#.", "<ab>ba#_________", "..ba#..........."],
        "turns": ["<ab>ba#<c>c", "..ba#...c#."],
        "packed": ["<ab>ba#<c>c", "..ba#...c#."],
    },
    "no-shift": {
        "single": ["<abcd>dcba", "......dcba"],
        "padded": ["<abcdefg>gfedcba", ".........gfedcba", "<ab>ba#_________", "....ba#........."],
        "turns": ["<ab>ba#<c>c", "....ba#...c"],
        "packed": ["<ab>ba#<c>c", "....ba#...c"],
    },
    "pad-supervised": {
        "single": ["<abcd>dcba", ".....dcba#"],
        "padded": ["<abcdefg>gfedcba", "........gfedcba#", "<ab>ba#_________", "...ba#__________"],
        "turns": ["<ab>ba#<c>c", "...ba#...c#"],
        "packed": ["<ab>ba#<c>c", "...ba#...c#"],
    },
    "left-pad": {
        "single": ["<abcd>dcba", ".....dcba#"],
        "padded": ["<abcdefg>gfedcba", "........gfedcba#", "__________<ab>ba", ".............ba#"],
        "turns": ["<ab>ba#<c>c", "...ba#...c#"],
        "packed": ["<ab>ba#<c>c", "...ba#...c#"],
    },
    "left-pad-no-positions": {
        "single": ["<abcd>dcba", ".....dcba#"],
        "padded": ["<abcdefg>gfedcba", "........gfedcba#", "__________<ab>ba", ".............ba#"],
        "turns": ["<ab>ba#<c>c", "...ba#...c#"],
        "packed": ["<ab>ba#<c>c", "...ba#...c#"],
    },
    "left-pad-seen": {
        "single": ["<abcd>dcba", ".....dcba#"],
        "padded": ["<abcdefg>gfedcba", "........gfedcba#", "__________<ab>ba", ".............ba#"],
        "turns": ["<ab>ba#<c>c", "...ba#...c#"],
        "packed": ["<ab>ba#<c>c", "...ba#...c#"],
    },
    "left-pad-unmasked": {
        "single": ["<abcd>dcba", ".....dcba#"],
        "padded": ["<abcdefg>gfedcba", "........gfedcba#", "__________<ab>ba", ".............ba#"],
        "turns": ["<ab>ba#<c>c", "...ba#...c#"],
        "packed": ["<ab>ba#<c>c", "...ba#...c#"],
    },
    "truncated": {
        "single": ["<abcd>dcba", ".....dcba#"],
        "padded": ["<abcdefg>gfed", "........gfedc", "<ab>ba#______", "...ba#......."],
        "turns": ["<ab>ba#<c>c", "...ba#...c#"],
        "packed": ["<ab>ba#<c>c", "...ba#...c#"],
    },
    "last-turn-only": {
        "single": ["<abcd>dcba", ".....dcba#"],
        "padded": ["<abcdefg>gfedcba", "........gfedcba#", "<ab>ba#_________", "...ba#.........."],
        "turns": ["<ab>ba#<c>c", ".........c#"],
        "packed": ["<ab>ba#<c>c", "...ba#...c#"],
    },
    "packed": {
        "single": ["<abcd>dcba", ".....dcba#"],
        "padded": ["<abcdefg>gfedcba#<ab>ba", "........gfedcba#....ba#"],
        "turns": ["<ab>ba#<c>c", "...ba#...c#"],
        "packed": ["<ab>ba#<c>c", "...ba#...c#"],
    },
    "packed-naive": {
        "single": ["<abcd>dcba", ".....dcba#"],
        "padded": ["<abcdefg>gfedcba#<ab>ba", "........gfedcba#....ba#"],
        "turns": ["<ab>ba#<c>c", "...ba#...c#"],
        "packed": ["<ab>ba#<c>c", "...ba#...c#"],
    },
}
# fmt: on


def conversation(text: str) -> Rendered:
    turns = [turn[1:].split(">") for turn in text.split("#")[:-1]]
    return render(
        [m for user, answer in turns for m in (Message("user", user), Message("assistant", answer))], TOKENIZER
    )


def written(ids: Tensor) -> str:
    signs = {IGNORE_INDEX: ".", TOKENIZER.ids[PAD]: "_"}
    return "".join(signs.get(i) or TOKENIZER.tokens[i] for i in ids.tolist())


def test_every_policy_has_its_table():
    assert TABLES.keys() == MASK_POLICIES.keys()


@pytest.mark.parametrize(("slug", "example"), [(slug, example) for slug in TABLES for example in EXAMPLES])
def test_each_position_is_scored_on_this_target(slug: str, example: str):
    policy = MASK_POLICIES[slug]
    if example == "packed" and policy.packing == "none":
        policy = replace(policy, packing="separated")
    batch = make_batch([conversation(text) for text in EXAMPLES[example]], policy, TOKENIZER, row_tokens=24)
    rows = [row for pair in zip(batch.inputs_BT, batch.targets_BT, strict=True) for row in map(written, pair)]
    assert rows == TABLES[slug][example]


@pytest.mark.parametrize(
    ("slug", "hello", "abcd"), [("prompt-masked", 6, 5), ("unmasked", 12, 10), ("mask-late", 5, 4)]
)
def test_the_lessons_counts(slug: str, hello: int, abcd: int):
    for text, supervised in (("<hello>olleh#", hello), ("<abcd>dcba#", abcd)):
        batch = make_batch([conversation(text)], MASK_POLICIES[slug], TOKENIZER)
        assert int(batch.supervised_BT.sum()) == supervised


LAYOUTS = {
    # the places the model is told, and which documents see each other
    "left-pad": ([[0, 1, 2, 3, 4, 5, 6, 7, 8, 9], [0, 0, 0, 0, 0, 0, 0, 1, 2, 3]], [[1] * 10, [0] * 6 + [1] * 4]),
    "left-pad-no-positions": (None, [[1] * 10, [0] * 6 + [1] * 4]),
    "left-pad-seen": ([[0, 1, 2, 3, 4, 5, 6, 7, 8, 9], [0, 0, 0, 0, 0, 0, 0, 1, 2, 3]], None),
    "left-pad-unmasked": (None, None),
    "prompt-masked": (None, None),
    "packed": ([[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 0, 1, 2, 3]], [[1] * 11 + [2] * 4]),
    "packed-naive": (None, None),
}


@pytest.mark.parametrize("slug", LAYOUTS)
def test_positions_and_documents_begin_again_where_the_policy_says(slug: str):
    batch = make_batch(
        [conversation(t) for t in ("<abcd>dcba#", "<a>a#")], MASK_POLICIES[slug], TOKENIZER, row_tokens=16
    )
    positions, documents = LAYOUTS[slug]
    assert (None if batch.positions_BT is None else batch.positions_BT.tolist()) == positions
    assert (None if batch.documents_BT is None else batch.documents_BT.tolist()) == documents


def test_a_position_sees_its_own_document_up_to_itself():
    batch = make_batch(
        [conversation("<a>a#"), conversation("<b>b#")], MASK_POLICIES["packed"], TOKENIZER, row_tokens=10
    )
    visible = batch.visible_BTS()
    assert visible is not None
    assert ["".join(".x"[seen] for seen in row) for row in visible[0].tolist()] == [
        "x........",
        "xx.......",
        "xxx......",
        "xxxx.....",
        "xxxxx....",
        ".....x...",
        ".....xx..",
        ".....xxx.",
        ".....xxxx",
    ]
