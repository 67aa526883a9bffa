"""All tokens on one line: runs that cover the row, shares that add up, and what is wrong apart."""

from app.charts.dock import draw_dock, walk_data
from app.charts.token_map import Run, draw_map
from model.inspector.owners import ANSWER, CONTEXT, HEADER, STOP
from model.inspector.shown import Lane, ShownMessage, ShownRow

#        <u>  h i  <e> <a>  y o  <e>
PARTS = [HEADER, CONTEXT, CONTEXT, HEADER, HEADER, ANSWER, ANSWER, STOP]
ROW = ShownRow(
    number=0,
    ids=[1, 7, 8, 3, 2, 9, 10, 3],
    texts=["<u>", "h", "i", "<e>", "<a>", "y", "o", "<e>"],
    parts=PARTS,
    special=[1, 2, 3],
    trained="00100110",
    right="00000111",
    labelled=True,
    messages=[ShownMessage(0, "user", 0, 4), ShownMessage(1, "assistant", 4, 8)],
    lanes=[Lane("labels", "the labels given", "00100110"), Lane("O3", "tags", "", "the template has none")],
    lost=[],
    tokens=8,
)


def test_runs_cover_the_row_in_order_and_what_is_wrong_stands_apart() -> None:
    drawn = draw_map(ROW)
    assert drawn.runs == (
        Run(0, 1, "su"),
        Run(1, 1, "ig"),
        Run(2, 1, "tr"),
        Run(3, 2, "su"),
        Run(5, 2, "tr"),
        Run(7, 1, "ig"),
    )
    assert drawn.wrong == (Run(2, 1, "x"), Run(7, 1, "x"))
    assert (drawn.trained, drawn.missing, drawn.surplus) == (3, 1, 1)


def test_shares_add_up_and_in_the_loss_what_should_not_be_there_comes_first() -> None:
    drawn = draw_map(ROW)
    assert [(one.name, one.tokens, one.kind) for one in drawn.all] == [
        ("template", 3, "su"),
        ("user", 2, "ig"),
        ("answer", 2, "ig"),
        ("stop", 1, "ig"),
    ]
    assert [(one.name, one.tokens, one.kind, one.start) for one in drawn.loss] == [
        ("user", 1, "x", 0),
        ("answer", 2, "tr", 1),
    ]
    assert sum(one.share for one in drawn.all) == sum(one.share for one in drawn.loss) == 1


def test_the_dock_says_of_the_first_named_token_what_is_and_what_should_be() -> None:
    dock = draw_dock(ROW, {7: [("M03", True)]}, None)
    assert (dock.place, dock.reads, dock.target, dock.rules) == (7, "o", "<e>", ("M03",))
    assert dock.verdict == "ignored, and should be trained"
    assert dock.whose == "message 2, assistant: stop, which the server samples"
    assert [(slug, says) for slug, _, says, _ in dock.lanes] == [("labels", "ignores it"), ("O3", "cannot tell")]


def test_a_place_behind_the_row_is_its_last_and_without_findings_the_first_trained_is_shown() -> None:
    assert draw_dock(ROW, {}, 99).place == 7
    assert draw_dock(ROW, {}, None).place == 2
    assert draw_dock(ROW, {}, 0).reads == ""
    assert '"rules":{"7":["M03"]}' in walk_data(ROW, {7: [("M03", True)], 50: [("M01", True)]})
