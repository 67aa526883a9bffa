"""Numbers and lists as they are written. In: a number, or parts. Out: text, with the minus of typesetters."""

from collections.abc import Sequence


def percent(value: float, digits: int = 0) -> str:
    """0.934 -> `93 %`."""
    return f"{100 * value:.{digits}f} %"


def joined(parts: Sequence[str]) -> str:
    """`a`, `a and b`, `a, b and c`; empty for nothing."""
    return " and ".join(filter(None, (", ".join(parts[:-1]), *parts[-1:])))


def compact(value: float) -> str:
    """At most two significant digits in at most six characters: 19, 1.1, 0.14, 0.004, 6e-5; 0 only for exactly 0."""
    size = abs(value)
    decimals = 0 if size >= 9.95 else 1 if size >= 0.995 else 2 if size >= 0.00995 else 3
    return _written(value, f"{value:.{decimals}f}")


def number(value: float) -> str:
    """Two significant digits below 10, with commas above; `0` only for exactly 0."""
    return _written(value, f"{value:#.2g}" if abs(value) < 9.95 else f"{value:,.0f}")


def scientific(value: float) -> str:
    """0.0002 -> `2e-4`."""
    digits, exponent = f"{value:e}".split("e")
    return f"{float(digits):g}e{int(exponent)}"


def ordinal(place: int) -> str:
    """3 -> `3rd`."""
    ending = "th" if place % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(place % 10, "th")
    return f"{place}{ending}"


def _written(value: float, text: str) -> str:
    """The text, where the number is neither 0 nor so small that only its power of ten can be told."""
    if value == 0:
        return "0"
    if abs(value) < 0.001:
        digits, exponent = f"{value:.0e}".split("e")
        text = f"{digits}e{int(exponent)}"
    return text.replace("-", "\N{MINUS SIGN}")
