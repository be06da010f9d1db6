"""TLS at the broker: what comes through it, and who does not get in."""

import asyncio
import logging
import ssl
import warnings
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from broker import Broker, CannotListen, Settings
from tests.certificates import Certificates
from tests.doubles.memory_store import MemoryStore
from tests.wire import Wire, until

ALL_OF_ONE = (1, 1)
SUCCESS = {"action": "success", "code": 0}


@asynccontextmanager
async def running(
    certificates: Certificates, store: MemoryStore | None = None, **settings: Any
) -> AsyncIterator[Broker]:
    tls = {"tls_cert": certificates.cert, "tls_key": certificates.key}
    wanted = Settings(store_url="memory", port=0, **{**tls, "stop_wait_s": 1.0, **settings})
    async with Broker(wanted, store or MemoryStore()) as broker:
        yield broker


@pytest.fixture
async def broker(certificates: Certificates) -> AsyncIterator[Broker]:
    async with running(certificates) as made:
        yield made


async def shop(broker: Broker, certificates: Certificates) -> Wire:
    """A publisher of the topic T."""
    wire = await Wire.open(broker.port, ssl=certificates.trusting())
    assert await wire.ask("create", user_email="shop@b.c", user_type="publisher") == SUCCESS
    assert await wire.ask("create_topic", topic_name="T") == SUCCESS
    return wire


async def test_all_goes_through_tls_as_it_does_without(
    broker: Broker, certificates: Certificates
) -> None:
    ann = await Wire.open(broker.port, ssl=certificates.trusting())
    publisher = await shop(broker, certificates)
    await ann.ask("create", user_email="ann@b.c", user_type="subscriber")
    assert await ann.ask("subscribe", topic_name="T") == SUCCESS
    texts = ["short", "x" * 100_000, *map(str, range(2_000))]
    for text in texts:
        publisher.send("publish_msg", topic_name="T", msg=text)
    assert await publisher.read_many(len(texts)) == [SUCCESS] * len(texts)
    came = await ann.read_many(len(texts))
    assert came == [{"action": "broadcast", "message": text} for text in texts]
    for wire in (ann, publisher):
        await wire.close()


class Ending:
    """A TLS client that can end its sending side and read on, which asyncio's cannot."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()

    async def shake_hands(self, context: ssl.SSLContext) -> None:
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_hostname="127.0.0.1")
        while True:
            try:
                self._tls.do_handshake()
                break
            except ssl.SSLWantReadError:
                await self._turn()
        self._flush()

    def send(self, data: bytes) -> None:
        self._tls.write(data)
        self._flush()

    def end(self) -> None:
        with pytest.raises(ssl.SSLWantReadError):
            self._tls.unwrap()
        self._flush()

    async def read_all(self) -> bytes:
        """Return what comes before the broker ends its side too."""
        data = b""
        while True:
            try:
                piece = self._tls.read(65536)
            except ssl.SSLWantReadError:
                await self._turn()
            except ssl.SSLZeroReturnError:
                self.leave()
                return data
            else:
                data += piece

    def say_why(self) -> None:
        """Send the alert that a handshake which failed has left."""
        self._flush()

    def leave(self) -> None:
        self._writer.close()

    async def _turn(self) -> None:
        self._flush()
        came = await self._reader.read(65536)
        assert came, "the broker cut the connection off"
        self._incoming.write(came)

    def _flush(self) -> None:
        self._writer.write(self._outgoing.read())


async def test_who_ends_its_side_of_tls_still_gets_every_reply_and_the_end(
    broker: Broker, certificates: Certificates
) -> None:
    client = Ending(*await asyncio.open_connection("127.0.0.1", broker.port))
    await client.shake_hands(certificates.trusting())
    client.send(
        b'{"action":"create","user_email":"shop@b.c","user_type":"publisher"}\n'
        b'{"action":"create_topic","topic_name":"T"}\n'
        b'{"action":"publish_msg","topic_name":"T","msg":"m"}'
    )
    client.end()
    assert await client.read_all() == b'{"action":"success","code":0}\n' * 3


async def test_a_stream_that_is_cut_off_is_a_lost_connection(
    broker: Broker, certificates: Certificates
) -> None:
    publisher = await shop(broker, certificates)
    publisher.send_bytes(b'{"action":"create_topic","topic_name":"HALF"}')  # no newline
    await publisher.writer.drain()
    publisher.writer.transport.abort()  # FIN, and no close_notify before it
    other = await Wire.open(broker.port, ssl=certificates.trusting())
    await other.ask("connect", user_email="shop@b.c")
    await until(lambda: len(broker._connections) == 1)
    assert (await other.ask("list_topics"))["topics"] == ["T"]
    await other.close()


# what counts as delivered


async def test_a_version_1_cursor_moves_over_what_has_arrived_and_not_over_what_is_under_way(
    certificates: Certificates,
) -> None:
    store = MemoryStore()
    async with running(certificates, store, high_water_bytes=2**24, stop_wait_s=0.1) as broker:
        ann = await Wire.open(broker.port, limit=2**10, ssl=certificates.trusting())
        publisher = await shop(broker, certificates)
        await ann.ask("create", user_email="ann@b.c", user_type="subscriber")
        await ann.ask("subscribe", topic_name="T")
        await publisher.ask("publish_msg", topic_name="T", msg="small")
        assert (await ann.read())["message"] == "small"
        assert await confirmed(publisher, seq=1) == ALL_OF_ONE

        ann.writer.transport.pause_reading()  # type: ignore[attr-defined]  # a socket's can
        size = 512 * 1024
        for _ in range(24):  # more than the buffers of both kernels take
            await publisher.ask("publish_msg", topic_name="T", msg="x" * size)
        (connection,) = (one for one in broker._connections if one.session.reader is not None)
        reached = connection.acknowledged()
        assert reached < connection.written - size
        broker._hub.confirm_readers()
        cursor = next(iter(connection.session.reader.cursors.values()))  # type: ignore[union-attr]
        # All that is confirmed lies before what the peer's TCP may lack.
        assert cursor.confirmed * size <= reached + size
        assert cursor.confirmed < 25
        ann.writer.transport.abort()
        await publisher.close()
        back = await Wire.open(broker.port, ssl=certificates.trusting())
        back.send("connect", user_email="ann@b.c")
        assert await back.read() == SUCCESS
        again = await back.read_many(25 - cursor.confirmed)
        assert {line["action"] for line in again} == {"unread"}
        await back.close()


async def confirmed(publisher: Wire, seq: int) -> tuple[int, int]:
    """Return how many have confirmed `seq`, and of how many, once all has."""
    await publisher.ask("connect", user_email="shop@b.c", version=2)
    while True:
        reply = await publisher.ask("receipts", topic_name="T", seq=seq)
        if reply["confirmed"] == reply["subscriptions"]:
            await publisher.ask("connect", user_email="shop@b.c")
            return reply["confirmed"], reply["subscriptions"]


# who does not get in


async def test_a_plain_client_is_told_that_the_port_takes_tls(
    broker: Broker, certificates: Certificates, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    wire = await Wire.open(broker.port)
    reply = await wire.ask("create", user_email="a@b.c", user_type="publisher")
    assert reply.keys() == {"action", "message"}
    assert reply["action"] == "error"
    assert "takes TLS" in reply["message"]
    assert await wire.read_line() == b""
    await wire.close()
    assert "127.0.0.1 came without TLS" in caplog.text
    assert not [one for one in caplog.records if one.levelno > logging.INFO]


async def test_a_tls_client_at_a_plain_port_is_told_so_at_both_ends(
    certificates: Certificates, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    async with Broker(Settings(store_url="memory", port=0), MemoryStore()) as broker:
        with pytest.raises(ssl.SSLError, match=r"(?i)wrong.version"):
            await Wire.open(broker.port, ssl=certificates.trusting())
        wire = await Wire.open(broker.port)
        wire.send_bytes(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03")
        assert "takes no TLS" in (await wire.read())["message"]
        assert await wire.read_line() == b""
        await wire.close()
    assert "127.0.0.1 came with TLS" in caplog.text


@pytest.mark.parametrize(
    ("says_why", "told"),
    [
        (True, "127.0.0.1 does not trust the certificate of --tls-cert"),
        (False, "127.0.0.1 left before TLS was agreed on; it may not trust --tls-cert"),
    ],
)
async def test_a_client_that_does_not_trust_us_is_told_in_the_log(
    broker: Broker,
    certificates: Certificates,
    caplog: pytest.LogCaptureFixture,
    says_why: bool,
    told: str,
) -> None:
    caplog.set_level(logging.INFO)
    stranger = replace(certificates, ca=certificates.stranger_ca).trusting()
    client = Ending(*await asyncio.open_connection("127.0.0.1", broker.port))
    with pytest.raises(ssl.SSLCertVerificationError):
        await client.shake_hands(stranger)
    if says_why:
        client.say_why()
    client.leave()
    await until(lambda: not broker._connections)
    assert told in caplog.text
    assert not [one for one in caplog.records if one.levelno > logging.INFO]


@pytest.mark.parametrize(
    "garbage", [b"\x16", b"\x16" * 2_000, b"\x16\x03\x01\x00\x05hello" * 9, b"\x16\x03\x01\xff\xff"]
)
async def test_garbage_in_the_place_of_a_handshake_harms_nobody(
    broker: Broker, certificates: Certificates, garbage: bytes
) -> None:
    publisher = await shop(broker, certificates)
    wire = await Wire.open(broker.port)
    wire.send_bytes(garbage)
    wire.writer.write_eof()
    await wire.reader.read()
    await wire.close()
    assert (await publisher.ask("list_topics"))["topics"] == ["T"]
    await publisher.close()


async def test_garbage_after_the_handshake_ends_that_connection_alone(
    broker: Broker, certificates: Certificates
) -> None:
    publisher = await shop(broker, certificates)
    client = Ending(*await asyncio.open_connection("127.0.0.1", broker.port))
    await client.shake_hands(certificates.trusting())
    client._writer.write(b"\x17\x03\x03\x00\x20" + b"x" * 32)
    with pytest.raises((AssertionError, ssl.SSLError)):
        await client.read_all()
    client.leave()
    assert (await publisher.ask("list_topics"))["topics"] == ["T"]
    await publisher.close()


async def test_old_tls_is_not_spoken(
    broker: Broker, certificates: Certificates, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    old = certificates.trusting()
    old.set_ciphers("ALL:@SECLEVEL=0")
    with warnings.catch_warnings(action="ignore", category=DeprecationWarning):
        old.minimum_version = old.maximum_version = ssl.TLSVersion.TLSv1_1
    with pytest.raises((ssl.SSLError, ConnectionError)):
        await Wire.open(broker.port, ssl=old)
    assert "its TLS fails (unsupported protocol)" in caplog.text


# certificates that cannot be used


def bad_files(certificates: Certificates, folder: Path) -> dict[str, tuple[Path, Path, str]]:
    text = folder / "text.pem"
    text.write_text("hello")
    broken = folder / "broken.pem"
    broken.write_text("-----BEGIN CERTIFICATE-----\nnonsense\n-----END CERTIFICATE-----\n")
    locked = folder / "locked.pem"
    locked.write_text(
        "-----BEGIN ENCRYPTED PRIVATE KEY-----\nMIIE\n-----END ENCRYPTED PRIVATE KEY-----\n"
    )
    cert, key = certificates.cert, certificates.key
    return {
        "no certificate": (folder / "none.pem", key, "cannot be read: No such file"),
        "no key": (cert, folder / "none.pem", "cannot be read: No such file"),
        "a folder": (folder, key, "cannot be read"),
        "text": (text, key, "holds no certificate"),
        "a certificate for a key": (cert, cert, "holds no private key"),
        "another's key": (cert, certificates.other_key, "is not the key of the certificate"),
        "broken": (broken, key, "cannot be used"),
        "an encrypted key": (cert, locked, "is encrypted"),
    }


@pytest.mark.parametrize(
    "case",
    [
        "no certificate",
        "no key",
        "a folder",
        "text",
        "a certificate for a key",
        "another's key",
        "broken",
        "an encrypted key",
    ],
)
async def test_a_certificate_that_cannot_be_used_is_one_sentence_and_nothing_is_begun(
    certificates: Certificates, tmp_path: Path, case: str
) -> None:
    cert, key, told = bad_files(certificates, tmp_path)[case]
    store = MemoryStore()
    broker = Broker(Settings(store_url="memory", port=0, tls_cert=cert, tls_key=key), store)
    with pytest.raises(CannotListen, match=told) as caught:
        await broker.start()
    assert "\n" not in str(caught.value)
    assert not store.opened


def test_a_certificate_without_its_key_is_no_setting(certificates: Certificates) -> None:
    with pytest.raises(ValueError, match="both"):
        Settings(store_url="memory", tls_cert=certificates.cert)
