"""What is typed after `pubsub broker` is what the broker is set up with."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from app.commands import broker as command
from app.commands.broker import Options, settings_of
from app.main import app
from broker import Auth, Settings

# Option, value, and the field that it becomes.
BECOMES: list[tuple[str, str, str, object]] = [
    ("--host", "127.0.0.9", "host", "127.0.0.9"),
    ("--port", "3999", "port", 3999),
    ("--data-dir", "/x", "data_dir", Path("/x")),
    ("--auth", "password", "auth", Auth.PASSWORD),
    ("--max-connections", "7", "connections", 7),
    ("--max-connections-per-address", "3", "connections_per_address", 3),
    ("--sign-in-timeout", "0.2", "sign_in_s", 0.2),
    ("--dead-peer-timeout", "61", "dead_peer_s", 61),
    ("--max-unfinished-kb", "64", "unfinished_bytes", 64 * 1024),
    ("--cache-mb", "9", "cache_bytes", 9 * 1024 * 1024),
    ("--max-message-kb", "2", "message_bytes", 2 * 1024),
    ("--store-wait", "1.5", "store_wait_s", 1.5),
    ("--retain-for", "7d", "retain_for_s", 7 * 86_400.0),
    ("--retain-bytes", "10GB", "retain_bytes", 10_000_000_000),
]


def settings(monkeypatch: pytest.MonkeyPatch, typed: list[str], env: dict[str, str]) -> Settings:
    """Return what `pubsub broker` would serve with."""
    taken: list[Options] = []
    monkeypatch.setattr(command, "run", taken.append)
    ended = CliRunner().invoke(app, ["broker", *typed], env=env)
    assert ended.exit_code == 0, ended.output
    (options,) = taken
    return settings_of(options)


@pytest.mark.parametrize(("option", "value", "field", "expected"), BECOMES)
def test_an_option_and_its_variable_become_a_setting(
    monkeypatch: pytest.MonkeyPatch, option: str, value: str, field: str, expected: object
) -> None:
    variable = f"PUBSUB_{option[2:].upper().replace('-', '_')}"
    usual = getattr(settings(monkeypatch, [], {}), field)
    assert usual != expected
    assert getattr(settings(monkeypatch, [option, value], {}), field) == expected
    assert getattr(settings(monkeypatch, [], {variable: value}), field) == expected
