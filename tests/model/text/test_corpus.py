"""model/text/corpus.py: what the universe of text is made of."""

import re
from itertools import islice

import pytest

from model.text.corpus import ALPHABET, SUMS, documents, fact, question, total


def test_all_sums_of_two_digits_are_there_once():
    assert len(set(SUMS)) == len(SUMS) == 100
    assert (SUMS[0], SUMS[-1], total("7+8")) == ("0+0", "9+9", "15")


def test_the_template_s_characters_never_occur():
    text = "".join(islice(documents(0), 2000))
    assert set(text) <= set(ALPHABET)
    assert not set(text) & set("<>#")


@pytest.mark.parametrize(
    ("kind", "shape"),
    [
        ("worksheet", r"(What is \d\+\d\? ){4}What is \d\+\d\?\n"),
        ("fact", r"(Q: What is \d\+\d\?\nA: \d\d?\n){3}"),
        ("sentence", r"[a-z .]+\.\n"),
    ],
)
def test_every_kind_has_its_shape(kind, shape: str):
    for text in islice(documents(1, (kind,)), 200):
        assert re.fullmatch(shape, text), text


def test_every_fact_of_the_text_is_true():
    text = "".join(islice(documents(2, ("fact",)), 1000))
    told = re.findall(r"What is (\d\+\d)\?\nA: (\d+)\n", text)
    assert {sum_ for sum_, _ in told} == set(SUMS)
    assert all(total(sum_) == answer for sum_, answer in told)


def test_kinds_are_as_likely_as_each_other_and_a_seed_is_a_text():
    texts = list(islice(documents(3), 4000))
    starts = [text[0] for text in texts]
    assert 900 < starts.count("W") < 1100
    assert 900 < starts.count("Q") < 1100
    assert 900 < sum(start.isdigit() for start in starts) < 1100
    assert texts == list(islice(documents(3), 4000))
    assert texts != list(islice(documents(4), 4000))


def test_a_fact_without_its_answer_ends_where_the_answer_begins():
    assert fact("2+2", "") == "Q: What is 2+2?\nA: "
    assert fact("2+2") == "Q: What is 2+2?\nA: 4"
    assert question("2+2") == "What is 2+2?"
