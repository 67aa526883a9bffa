"""What the access log may hold: every address, but no token that an address holds. In: uvicorn's records."""

import logging
from urllib.parse import unquote_plus

SECRETS = {"owner", "teacher", "voter"}
"""Parameters by which a race, a vote, or one's answer to it is commanded."""


class WithoutSecrets(logging.Filter):
    """Lets every record through; in its addresses dots stand for a token."""

    def filter(self, record: logging.LogRecord) -> bool:
        if isinstance(record.args, tuple):
            record.args = tuple(without_secrets(arg) if isinstance(arg, str) else arg for arg in record.args)
        return True


def without_secrets(address: str) -> str:
    """`/race/x?owner=...` for any value; everything else as it is."""
    path, mark, query = address.partition("?")
    return path + mark + "&".join(map(_without_secret, query.split("&")))


def _without_secret(given: str) -> str:
    name, equals, _ = given.partition("=")
    return f"{name}=..." if equals and unquote_plus(name) in SECRETS else given
