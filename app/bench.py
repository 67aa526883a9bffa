"""Sections of `maskscope bench`."""

SECTIONS: dict[str, object] = {}
