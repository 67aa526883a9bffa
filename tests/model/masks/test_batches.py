from collections.abc import Sequence
from string import ascii_lowercase

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from model.masks.batches import Batch, make_batch
from model.masks.policies import COMPARED_POLICIES, IGNORE_INDEX, MASK_POLICIES
from model.text.chat_template import Message, Rendered, render
from model.text.tokenizer import PAD, Tokenizer

TOKENIZER = Tokenizer(ascii_lowercase, pads=True)
NO_PAD = Tokenizer(ascii_lowercase)

words = st.text(ascii_lowercase, min_size=1, max_size=10)
policies = pytest.mark.parametrize("policy", [MASK_POLICIES[slug] for slug in COMPARED_POLICIES], ids=COMPARED_POLICIES)


def conversation(text: str) -> Rendered:
    """`<ab>ba#<c>c#` as a conversation of two turns."""
    turns = [turn[1:].split(">") for turn in text.split("#")[:-1]]
    messages = [message for user, answer in turns for message in (Message("user", user), Message("assistant", answer))]
    return render(messages, TOKENIZER)


def reversed_word(word: str) -> Rendered:
    return conversation(f"<{word}>{word[::-1]}#")


def written(ids: Tensor) -> str:
    """One character per position: `_` is a pad, `.` is ignored."""
    signs = {IGNORE_INDEX: ".", TOKENIZER.ids[PAD]: "_"}
    return "".join(signs.get(token_id) or TOKENIZER.tokens[token_id] for token_id in ids.tolist())


# Under each input token its target: position t is scored on token t+1. `.` is ignored, `_` is a pad.
@pytest.mark.parametrize(
    ("slug", "rows"),
    [
        pytest.param(
            "prompt-masked",
            [
                "<hello>olleh",
                "......olleh#",
            ],
            id="hello: 6 of 12",
        ),
        pytest.param(
            "unmasked",
            [
                "<hello>olleh",
                "hello>olleh#",
            ],
            id="hello: 12 of 12",
        ),
        pytest.param(
            "prompt-masked",
            [
                "<abcd>dcba",
                ".....dcba#",
            ],
            id="abcd: 5 of 10",
        ),
        pytest.param(
            "unmasked",
            [
                "<abcd>dcba",
                "abcd>dcba#",
            ],
            id="abcd: 10 of 10",
        ),
        pytest.param(
            "prompt-masked",
            [
                "<hello>olleh",
                "......olleh#",
                "<ab>ba#_____",
                "...ba#......",
            ],
            id="two lengths, the prompts ignored and the pads too",
        ),
        pytest.param(
            "unmasked",
            [
                "<hello>olleh",
                "hello>olleh#",
                "<ab>ba#_____",
                "ab>ba#......",
            ],
            id="two lengths, no prompt ignored but the pads still",
        ),
        pytest.param(
            "prompt-masked",
            [
                "<ab>ba#<xyz>zyx",
                "...ba#.....zyx#",
            ],
            id="two turns: both answers are trained",
        ),
        pytest.param(
            "unmasked",
            [
                "<ab>ba#<xyz>zyx",
                "ab>ba#<xyz>zyx#",
            ],
            id="two turns: the second `<` is trained too",
        ),
        pytest.param(
            "prompt-masked",
            [
                "<ab>ba#<c>c",
                "...ba#...c#",
                "<ab>ba#____",
                "...ba#.....",
            ],
            id="two turns beside one",
        ),
    ],
)
def test_each_position_is_scored_on_this_target(slug: str, rows: list[str]):
    inputs, targets = rows[::2], rows[1::2]
    # The last token is no input; a row's end is its last target, or in a padded row the end of its last turn.
    texts = [row[: row.index("_")] if "_" in row else row + "#" for row in inputs]
    batch = make_batch([conversation(text) for text in texts], MASK_POLICIES[slug], TOKENIZER)
    assert [written(row) for row in batch.inputs_BT] == inputs
    assert [written(row) for row in batch.targets_BT] == targets
    assert ["".join(".x"[flag] for flag in row) for row in batch.supervised_BT.tolist()] == [
        "".join("." if target == "." else "x" for target in row) for row in targets
    ]


@given(words)
def test_the_mask_is_the_lessons_four_lines_of_code(word: str):
    rendered = reversed_word(word)
    s, P = torch.tensor(rendered.token_ids), rendered.prompt_length

    x = s[:-1]
    y = s[1:].clone()
    y[: P - 1] = IGNORE_INDEX

    batch = make_batch([rendered], MASK_POLICIES["prompt-masked"], NO_PAD)
    assert torch.equal(batch.inputs_BT, x[None])
    assert torch.equal(batch.targets_BT, y[None])


@given(words)
def test_without_the_fourth_line_every_token_but_the_first_is_a_target(word: str):
    rendered = reversed_word(word)
    batch = make_batch([rendered], MASK_POLICIES["unmasked"], NO_PAD)
    assert tuple(batch.targets_BT[0].tolist()) == rendered.token_ids[1:]


@policies
@given(st.lists(words, min_size=1, max_size=6))
def test_a_batch_equals_its_rows_and_nothing_but_ignored_pads_follows_them(policy, some_words: Sequence[str]):
    rows = [reversed_word(word) for word in some_words]
    batch = make_batch(rows, policy, TOKENIZER)
    assert batch.inputs_BT.dtype == batch.targets_BT.dtype == torch.int64
    assert batch.inputs_BT.shape == batch.targets_BT.shape == (len(rows), max(len(row.token_ids) for row in rows) - 1)
    for b, row in enumerate(rows):
        alone = make_batch([row], policy, NO_PAD)
        T = alone.inputs_BT.shape[1]
        assert torch.equal(batch.inputs_BT[b, :T], alone.inputs_BT[0])
        assert torch.equal(batch.targets_BT[b, :T], alone.targets_BT[0])
        # The row's own last token is no target's input: it stands at T if there is room, then pads.
        after = [row.token_ids[-1], *[TOKENIZER.pad_id] * batch.inputs_BT.shape[1]][: batch.inputs_BT.shape[1] - T]
        assert batch.inputs_BT[b, T:].tolist() == after
        assert (batch.targets_BT[b, T:] == IGNORE_INDEX).all()


@policies
def test_a_supervised_position_is_scored_on_the_token_that_follows_it(policy):
    rows = [reversed_word(word) for word in ("hello", "a", "abcdefghij")]
    batch = make_batch(rows, policy, TOKENIZER)
    following = batch.inputs_BT.roll(-1, 1)
    inside = batch.supervised_BT[:, :-1]
    assert torch.equal(batch.targets_BT[:, :-1][inside], following[:, :-1][inside])


def test_rows_of_one_length_need_no_pad():
    rows = [render([Message("user", word), Message("assistant", word[::-1])], NO_PAD) for word in ("abcd", "wxyz")]
    batch = make_batch(rows, MASK_POLICIES["prompt-masked"], NO_PAD)
    assert NO_PAD.pad_id is None
    assert batch.inputs_BT.shape == (2, 10)
    assert int(batch.supervised_BT.sum()) == 10


def test_rows_of_different_length_without_a_pad_are_a_programming_error():
    rows = [reversed_word("abcd"), reversed_word("abc")]
    with pytest.raises(AssertionError, match="there is no pad id"):
        make_batch(rows, MASK_POLICIES["prompt-masked"], NO_PAD)


def test_ignored_is_what_torch_and_transformers_ignore():
    assert torch.nn.CrossEntropyLoss().ignore_index == IGNORE_INDEX
    batch = Batch(torch.tensor([[1, 2]]), torch.tensor([[IGNORE_INDEX, 3]]), torch.tensor([[True, True]]))
    assert batch.supervised_BT.tolist() == [[False, True]]
