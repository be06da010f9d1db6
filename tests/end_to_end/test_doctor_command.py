"""`pubsub doctor`, as a person runs it."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import quote

import pytest

from broker.store.embedded import EmbeddedPostgres
from broker.store.embedded.server import OPTIONS
from tests.process import run


@pytest.fixture
async def careless(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[str]:
    """The URL of a server that was told not to wait for its disk."""
    monkeypatch.setitem(OPTIONS, "fsync", "off")
    server = EmbeddedPostgres(data_dir)
    address = await server.start()
    yield f"postgresql://{address.user}:secret@/{address.database}?host={quote(address.host)}"
    await server.stop()


async def test_a_server_without_fsync_is_wrong(careless: str) -> None:
    ended = await run("doctor", "--store", careless)
    assert ended.code == 1
    assert "\nWRONG  fsync is off: " in ended.out.decode()
    assert "Remedy: The server was started with it: start it with -c fsync=on" in ended.out.decode()
    warning, summary = ended.err.splitlines()
    assert "PUBSUB_STORE keeps it from them" in warning
    assert summary == "pubsub: 1 thing is wrong; the remedies are above"


async def test_a_data_directory_that_is_not_there_yet_is_right_and_is_not_made(
    data_dir: Path,
) -> None:
    ended = await run("doctor", "--json", env={"PUBSUB_DATA_DIR": str(data_dir)})
    assert (ended.code, ended.err) == (0, "pubsub: nothing is wrong\n")
    assert all(
        {"verdict", "text", "remedy"} == {*json.loads(one)} for one in ended.out.splitlines()
    )
    assert not data_dir.exists()


async def test_a_server_that_does_not_answer_is_wrong_and_no_password_is_told() -> None:
    ended = await run("doctor", "--store", "postgresql://me:secret@127.0.0.1:1/x")
    assert ended.code == 1
    assert b"\nWRONG  PostgreSQL at 127.0.0.1:1/x does not let us in: " in ended.out
    assert b"secret" not in ended.out
    ended = await run("doctor", env={"PUBSUB_STORE": "postgresql://me:sec?ret@host/x"})
    assert ended.code == 1
    assert b"\nWRONG  --store is not a URL that can be read" in ended.out
    assert b"sec" not in ended.out + ended.err.encode()


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--store", "postgresql://x", "--data-dir", "y"], "exclude each other"),
        (["--store", "mysql://x"], "begins with postgresql://"),
    ],
)
async def test_wrong_usage_is_told(arguments: list[str], told: str) -> None:
    ended = await run("doctor", *arguments)
    assert (ended.code, ended.out) == (2, b"")
    assert told in ended.err
