"""app/settings.py: from the environment, bounded, frozen."""

from pathlib import Path

import pytest
from pydantic import SecretStr, ValidationError

from app.settings import Settings


def test_by_default_only_this_machine_is_served() -> None:
    settings = Settings()
    assert (settings.host, settings.port, settings.allowed_hosts) == ("127.0.0.1", 8000, ())
    assert (settings.trained_folder / "reverse" / "prompt-masked" / "run.json").is_file()


def test_the_environment_sets_them_under_a_prefix(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MASKSCOPE_PORT", "8080")
    monkeypatch.setenv("MASKSCOPE_ALLOWED_HOSTS", '["class.example", "other.example"]')
    monkeypatch.setenv("MASKSCOPE_TRAINED_FOLDER", "elsewhere")
    monkeypatch.setenv("PORT", "9")
    settings = Settings()
    assert settings.port == 8080
    assert settings.allowed_hosts == ("class.example", "other.example")
    assert settings.trained_folder == Path("elsewhere")


def test_what_is_given_goes_before_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MASKSCOPE_PORT", "8080")
    assert Settings(port=8081).port == 8081


@pytest.mark.parametrize(
    ("name", "lowest", "highest"),
    [
        ("port", 0, 65535),
        ("max_connections", 1, 100_000),
        ("max_connections_per_address", 1, 100_000),
        ("header_timeout_seconds", 0.01, 300),
        ("header_limit_bytes", 4096, 1_000_000),
        ("idle_timeout_seconds", 0.01, 3600),
        ("send_timeout_seconds", 0.01, 3600),
        ("close_timeout_seconds", 0.01, 300),
        ("queue_size", 1, 10_000),
        ("queue_timeout_seconds", 0.01, 300),
        ("workers", 1, 64),
        ("max_requests", 1, 10_000),
        ("max_requests_per_client", 1, 10_000),
        ("max_worked_on", 1, 10_000),
        ("max_followers", 1, 10_000),
        ("max_followers_per_address", 1, 10_000),
        ("kept_answers_bytes", 0, 10_000_000_000),
        ("body_limit_bytes", 1024, 10_000_000),
        ("body_timeout_seconds", 0.01, 300),
        ("stream_timeout_seconds", 0.01, 3600),
        ("shutdown_timeout_seconds", 1, 300),
        ("inspection_processes", 1, 64),
        ("inspection_queue_size", 1, 1000),
        ("inspection_body_limit_bytes", 1024, 64_000_000),
        ("race_slots", 1, 64),
        ("race_queue_size", 1, 1000),
        ("race_timeout_seconds", 0.01, 86_400),
        ("race_grace_seconds", 0.01, 86_400),
        ("race_max_cost", 0.01, 1e15),
        ("max_races", 1, 10_000),
        ("race_ready_seconds", 0, 86_400),
        ("max_votes", 1, 10_000),
        ("max_votes_per_client", 1, 10_000),
        ("max_voters", 1, 100_000),
        ("max_voters_per_client", 1, 100_000),
        ("vote_lifetime_seconds", 0.01, 604_800),
    ],
)
def test_every_number_is_bounded_on_both_sides(name: str, lowest: float, highest: float) -> None:
    for allowed in (lowest, highest):
        assert getattr(Settings(**{name: allowed}), name) == allowed
    for refused in (lowest - 1, highest + 1, float("nan"), float("inf"), "many", None):
        with pytest.raises(ValidationError, match=name):
            Settings(**{name: refused})


def test_the_table_above_holds_every_number() -> None:
    numbers = {name for name, field in Settings.model_fields.items() if field.annotation in (int, float)}
    marks = test_every_number_is_bounded_on_both_sides.pytestmark  # type: ignore[attr-defined]
    assert numbers == {row[0] for row in marks[0].args[1]}


def test_a_teacher_s_token_of_another_length_is_refused_and_not_told() -> None:
    for length in (16, 128):
        token = Settings(teacher_token=SecretStr("t" * length)).teacher_token
        assert token is not None
        assert token.get_secret_value() == "t" * length
    for length in (0, 15, 129):
        with pytest.raises(ValidationError) as refused:
            Settings(teacher_token=SecretStr("t" * length))
        (error,) = refused.value.errors()
        assert error["msg"].endswith(f"a teacher's token has 16 to 128 characters, this one has {length}")
        assert "ttt" not in str(refused.value)


def test_a_setting_that_does_not_exist_is_refused() -> None:
    with pytest.raises(ValidationError, match="Extra inputs are not permitted"):
        Settings(prot=1)  # type: ignore[call-arg]


def test_settings_do_not_change() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        Settings().port = 1
