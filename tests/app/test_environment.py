"""`.env` files, and the names that the original program read."""

import os
from collections.abc import Iterator
from pathlib import Path
from unittest.mock import patch

import pytest

from app import environment


@pytest.fixture(autouse=True)
def _own_environment() -> Iterator[None]:
    with patch.dict(os.environ, clear=True):
        yield


def load(folder: Path, text: str) -> dict[str, str]:
    (folder / ".env").write_text(text)
    environment.load(folder)
    return {name: value for name, value in os.environ.items() if name.startswith("PUBSUB_")}


def test_our_own_names_are_taken_as_they_are(tmp_path: Path) -> None:
    assert load(tmp_path, "PUBSUB_PORT=4000\nOTHER=1\n") == {"PUBSUB_PORT": "4000"}


def test_what_the_environment_says_wins_over_the_file(tmp_path: Path) -> None:
    os.environ["PUBSUB_PORT"] = "5000"
    assert load(tmp_path, "PUBSUB_PORT=4000\n") == {"PUBSUB_PORT": "5000"}


def test_the_server_names_of_the_original_lead_broker_and_clients(tmp_path: Path) -> None:
    assert load(tmp_path, "SERVER_ADDRESS=127.0.0.2\nSERVER_PORT=4000\n") == {
        "PUBSUB_HOST": "127.0.0.2",
        "PUBSUB_PORT": "4000",
        "PUBSUB_CONNECT": "127.0.0.2:4000",
    }


def test_the_database_names_of_the_original_become_a_url(tmp_path: Path) -> None:
    text = (
        "DATABASE_ADDRESS=db.example.com:5433\nDATABASE_USERNAME=me\n"
        "DATABASE_PASSWORD=p@ss/word\nDATABASE_NAME=pub sub\n"
    )
    url = "postgresql://me:p%40ss%2Fword@db.example.com:5433/pub%20sub"
    assert load(tmp_path, text) == {"PUBSUB_STORE": url}


def test_our_own_name_wins_over_the_originals(tmp_path: Path) -> None:
    text = "SERVER_PORT=4000\nPUBSUB_PORT=4001\nPUBSUB_HOST=::1\n"
    settings = load(tmp_path, text)
    assert (settings["PUBSUB_HOST"], settings["PUBSUB_PORT"]) == ("::1", "4001")


def test_no_file_is_no_settings(tmp_path: Path) -> None:
    environment.load(tmp_path)
    assert not [name for name in os.environ if name.startswith("PUBSUB_")]


def test_a_folder_that_is_closed_to_us_has_no_settings(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("PUBSUB_PORT=4000\n")
    tmp_path.chmod(0)
    user = os.geteuid()
    if user == 0:
        os.seteuid(65534)
    try:
        environment.load(tmp_path)
    finally:
        os.seteuid(user)
        tmp_path.chmod(0o700)
    assert "PUBSUB_PORT" not in os.environ
