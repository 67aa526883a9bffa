"""The errors a user can cause, as a tree. Each says what was given and what is allowed.

Every error also is the standard-library error it refines. `param` names the field at fault, `code` is a stable slug.
"""

from collections.abc import Collection, Iterable


class MaskscopeError(Exception):
    """Base of everything a user can cause."""

    code = "invalid"

    def __init__(self, message: str, *, param: str | None = None):
        super().__init__(message)
        self.message = message
        self.param = param


class InvalidText(MaskscopeError, ValueError):
    """A text that a recipe cannot read: wrong characters, too short or too long."""

    code = "invalid_text"


class OutOfRange(MaskscopeError, ValueError):
    """A number or a combination outside of what the model allows."""

    code = "out_of_range"


class UnknownName(MaskscopeError, LookupError):
    """A recipe, policy or step that does not exist here."""

    code = "not_found"


class Diverged(MaskscopeError, ArithmeticError):
    """A training whose loss has become infinite or no number."""

    code = "diverged"


class BrokenRun(MaskscopeError, OSError):
    """A run folder with a file missing, truncated, altered or unreadable. The message names the file."""

    code = "broken_run"


class BrokenAblation(MaskscopeError, OSError):
    """An ablation's file that is missing, unreadable, incomplete or of other recipes. The message names the file."""

    code = "broken_ablation"


def check_known(slug: str, known: Collection[str], param: str) -> None:
    """Raises UnknownName, with what is allowed, for a slug that is not among those known."""
    if slug not in known:
        raise unknown(param, slug, known, param=param)


def unknown(what: str, slug: str, known: Iterable[object], *, param: str) -> UnknownName:
    """`There is no recipe 'nope'. Choose one of: reverse, reverse4`"""
    return UnknownName(f"There is no {what} {slug[:32]!a}. Choose one of: {', '.join(map(str, known))}", param=param)


def outside(what: str, allowed: str, given: object, *, param: str) -> OutOfRange:
    """`top_k must be 1 to 30, not 31`"""
    return OutOfRange(f"{what} must be {allowed}, not {given}", param=param)
