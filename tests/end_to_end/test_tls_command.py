"""TLS as a person uses it: the commands, and `openssl s_client` in the place of nc."""

import asyncio
import shutil
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.certificates import Certificates
from tests.process import BrokerProcess, run, running_broker


@pytest.fixture
async def secure(certificates: Certificates, database: str) -> AsyncIterator[BrokerProcess]:
    files: list[str | Path] = ["--tls-cert", certificates.cert, "--tls-key", certificates.key]
    async with running_broker("--store", database, *files) as broker:
        yield broker


async def test_the_commands_speak_tls(secure: BrokerProcess, certificates: Certificates) -> None:
    text = "".join(f"line {number}\n" for number in range(1_000)).encode()
    where = ["--connect", secure.connect, "--ca", str(certificates.ca)]
    stored = await run("pub", "T", "--email", "p@b.c", "--create", *where, given=text)
    assert (stored.code, stored.err) == (0, "")
    env = {"PUBSUB_CA": str(certificates.ca), "PUBSUB_CONNECT": secure.connect}
    came = await run("sub", "T", "--email", "s@b.c", "--create", "--count", "1000", env=env)
    assert (came.code, came.out) == (0, text)
    shown = await run("topics", "--email", "s@b.c", *where)
    assert (shown.code, shown.err) == (0, "")
    assert b"T" in shown.out


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ([], "takes TLS and nothing else; connect with TLS (pubsub does with --tls)"),
        (["--tls"], "nobody trusted here vouches for"),
        (["--ca", "STRANGER"], "nobody trusted here vouches for"),
        (["--ca", "KEY"], "holds no certificates as PEM"),
        (["--ca", "/nowhere/ca.pem"], "/nowhere/ca.pem cannot be read"),
    ],
)
async def test_who_is_not_trusted_or_not_spoken_to_is_one_sentence(
    secure: BrokerProcess, certificates: Certificates, options: list[str], told: str
) -> None:
    files = {"STRANGER": str(certificates.stranger_ca), "KEY": str(certificates.key)}
    options = [files.get(option, option) for option in options]
    ended = await run("topics", "--email", "a@b.c", "--connect", secure.connect, *options)
    assert ended.code == (2 if "/nowhere" in told or "PEM" in told else 3)
    assert ended.err.startswith("pubsub: ")
    assert ended.err.count("\n") == 1
    assert told in ended.err


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not installed")
async def test_openssl_is_a_client(secure: BrokerProcess, certificates: Certificates) -> None:
    client = await asyncio.create_subprocess_exec(
        *["openssl", "s_client", "-quiet", "-verify_return_error"],
        *["-CAfile", str(certificates.ca), "-connect", secure.connect],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert client.stdin is not None
    assert client.stdout is not None
    client.stdin.write(b'{"action":"create","user_email":"a@b.c","user_type":"publisher"}\n')
    assert await client.stdout.readline() == b'{"action":"success","code":0}\n'
    client.stdin.write(b'{"action":"list_topics"}\n')
    assert await client.stdout.readline() == b'{"action":"list_topics","topics":[]}\n'
    client.terminate()
    await client.communicate()


@pytest.mark.parametrize("files", [["--tls-cert", "a"], ["--tls-key", "a"]])
async def test_a_certificate_and_its_key_go_together(files: list[str], tmp_path: Path) -> None:
    ended = await run("broker", *files, cwd=tmp_path)
    assert ended.code == 2
    assert "--tls-cert and --tls-key go together" in ended.err
    assert [*tmp_path.iterdir()] == []


async def test_a_certificate_that_cannot_be_read_is_one_sentence(data_dir: Path) -> None:
    files: list[str | Path] = ["--tls-cert", "/nowhere/cert.pem", "--tls-key", "/nowhere/key.pem"]
    ended = await run("broker", "--port", "0", "--data-dir", data_dir, *files)
    assert ended.code == 1
    assert ended.err.startswith("pubsub: /nowhere/cert.pem cannot be read: No such file")
    assert ended.err.count("\n") == 1
    assert not data_dir.exists()
