"""app/charts/qr.py: the path holds the code's dark modules, each once, and a quiet border."""

import re

import pytest
import segno

from app.charts.qr import BORDER, draw_qr_code


@pytest.mark.parametrize("text", ["http://192.168.1.20:8000/r/7KTN", "a", "https://class.example/" + "x" * 200])
def test_every_dark_module_is_drawn_once_within_a_quiet_border(text: str) -> None:
    drawn = draw_qr_code(text)
    stretches = re.findall(r"M(\d+) (\d+)h(\d+)v1h-(\d+)z", drawn.path)
    assert "".join("M{} {}h{}v1h-{}z".format(*stretch) for stretch in stretches) == drawn.path
    dark = [(int(x) + i, int(y)) for x, y, length, _ in stretches for i in range(int(length))]
    assert all(length == back for _, _, length, back in stretches)
    code = segno.make_qr(text, error="m", boost_error=False)
    assert sorted(dark) == sorted(
        (x, y) for y, row in enumerate(code.matrix_iter(border=BORDER)) for x, is_dark in enumerate(row) if is_dark
    )
    assert drawn.size == code.symbol_size(border=BORDER)[0]
