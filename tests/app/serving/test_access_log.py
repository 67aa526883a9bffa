"""app/serving/access_log.py: the log tells who asked for what, and gives nobody a key."""

import logging
from collections.abc import Callable

import pytest
from fastapi import FastAPI

from app.serving.access_log import without_secrets
from app.serving.connections import Connections
from app.serving.protocol import ServingConfig
from app.settings import Settings


@pytest.mark.parametrize(
    ("address", "logged"),
    [
        ("/race/x", "/race/x"),
        ("/?prompt=hello&step=100", "/?prompt=hello&step=100"),
        ("/race/x?owner=K3y_-", "/race/x?owner=..."),
        ("/race/x?vote=CFHJ&teacher=K3y&owner=K3y", "/race/x?vote=CFHJ&teacher=...&owner=..."),
        ("/race/x?%6fwner=K3y&owner=a%3Db=c", "/race/x?%6fwner=...&owner=..."),
        ("/votes/CFHJ?voter=K3y&x=1", "/votes/CFHJ?voter=...&x=1"),
        ("/race/x?owner", "/race/x?owner"),
        ("/?owners=2&prompt=owner", "/?owners=2&prompt=owner"),
    ],
)
def test_dots_stand_for_a_token_and_all_else_is_as_it_was(address: str, logged: str) -> None:
    assert without_secrets(address) == logged


def test_the_server_s_access_log_has_no_token(capsys: pytest.CaptureFixture[str]):
    ServingConfig(FastAPI(), Settings(), Connections(1, 1))
    told: Callable[..., None] = logging.getLogger("uvicorn.access").info
    told('%s - "%s %s HTTP/%s" %d', "127.0.0.1:1", "POST", "/api/v1/races/x/pause?owner=K3y", "1.1", 200)
    line = capsys.readouterr().out
    assert '"POST /api/v1/races/x/pause?owner=... HTTP/1.1" 200' in line
    assert "K3y" not in line
