"""SHA-256 of what was inspected, so that a report says of which files it is."""

import hashlib
from pathlib import Path


def digest_of(given: Path | str) -> str:
    if isinstance(given, str):
        return hashlib.sha256(given.encode()).hexdigest()
    with given.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
