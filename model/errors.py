"""The errors a user can cause, as a tree. Each says what was given and what is allowed.

Every error also is the standard-library error it refines. `param` names the field at fault, `code` is a stable slug.
"""

from collections.abc import Collection


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
        raise UnknownName(f"{param} is {slug[:64]!a}; allowed: {', '.join(known)}", param=param)
