"""model/experiments/padding/shapes.py: the cells of a batch."""

from model.experiments.padding.shapes import batch_shapes
from model.training.recipes import ALL_RECIPES

RECIPE = ALL_RECIPES["reverse"]


def test_cells_are_counted_as_they_are_drawn():
    longest, buckets, packed = batch_shapes(RECIPE, 0)
    assert longest.tokens == buckets.tokens == packed.tokens
    ((columns, rows),) = longest.rectangles
    assert (len(rows), max(rows)) == (64, columns)
    assert longest.cells == 64 * columns
    assert [len(rows) for _, rows in buckets.rectangles] == [16] * 4
    assert all(max(rows) == columns for columns, rows in (*buckets.rectangles, *packed.rectangles))
    assert longest.wasted > buckets.wasted > 0
    assert longest.wasted > packed.wasted > 0
