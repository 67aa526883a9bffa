"""Who may command a race: whoever started it, and the teacher of this server. In: the token that his address holds.

Tokens are compared in the same time whatever they are. They stand in an owner's addresses and nowhere else.
"""

import secrets

from pydantic import SecretStr

from model.errors import MaskscopeError

TOKEN_LIMIT = 128
"""Characters of a token that is given."""


class NotTheOwner(MaskscopeError, PermissionError):
    """Only who started a race may command it."""

    code = "not_the_owner"


class Owner:
    """Of one race. `teacher`: the token that commands every race of this server, if it has one."""

    def __init__(self, teacher: SecretStr | None = None):
        self.token = secrets.token_urlsafe(16)
        self._allowed = (self.token, *((teacher.get_secret_value(),) if teacher else ()))

    def is_told_by(self, token: str) -> bool:
        given = token.encode()
        same = [secrets.compare_digest(given, allowed.encode()) for allowed in self._allowed]
        return any(same)

    def check(self, token: str) -> None:
        """Raises NotTheOwner."""
        if not self.is_told_by(token):
            said = "only who started it may pause, step or stop it, by the token that the start was answered with"
            raise NotTheOwner(f"This is another's race: {said}", param="owner")
