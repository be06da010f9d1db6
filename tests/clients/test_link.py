"""One connection: what comes in, however it is cut, and however wrong it is."""

import asyncio
import json
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clients import NoBroker
from clients.address import Address
from clients.link import Link, open_link
from protocol.incoming import Broadcast, Delivered, Notice, Reply, Succeeded
from tests.doubles.fake_broker import NOON, FakeBroker

BLOCK = {
    "action": "broadcast",
    "topic_name": "T",
    "seq": 1,
    "messages": ["a", "b"],
    "publishers": ["p@b.c"],
    "published_at": NOON,
}


class Heard:
    """A receiver that notes what it is told."""

    def __init__(self) -> None:
        self.all: list[object] = []

    def delivered(self, block: Delivered, size: int) -> None:
        self.all.append(block)

    def noticed(self, notice: Notice) -> None:
        self.all.append(notice)

    def answered(self, reply: Reply) -> None:
        self.all.append(reply)

    def lost(self) -> None:
        self.all.append("lost")


class FakeTransport(asyncio.Transport):
    """Counts what a link does to it."""

    def __init__(self) -> None:
        super().__init__()
        self.written = b""
        self.aborted = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.written += data

    def abort(self) -> None:
        self.aborted = True

    def is_closing(self) -> bool:
        return self.aborted


@pytest.fixture
async def heard() -> Heard:
    return Heard()


@pytest.fixture
async def link(heard: Heard) -> Link:
    return linked(heard)


def linked(heard: Heard) -> Link:
    link = Link(heard)
    link.connection_made(FakeTransport())
    return link


def transport_of(link: Link) -> FakeTransport:
    return cast(FakeTransport, link._transport)


def line(**keys: object) -> bytes:
    return json.dumps(keys).encode() + b"\n"


async def test_where_the_stream_is_cut_does_not_matter() -> None:
    stream = line(**BLOCK) + line(action="success", id=7, seq=2) + line(**BLOCK)
    for cut in range(len(stream)):
        heard = Heard()
        link = linked(heard)
        link.data_received(stream[:cut])
        link.data_received(stream[cut:])
        first, reply, second = heard.all
        assert isinstance(first, Broadcast)
        assert isinstance(second, Broadcast)
        assert isinstance(reply, Succeeded)
        assert (first.messages, reply.id, reply.seq) == (["a", "b"], 7, 2)


@given(st.binary(max_size=80))
def test_garbage_ends_the_connection_and_is_not_shown(garbage: bytes) -> None:
    async def feed() -> None:
        heard = Heard()
        link = linked(heard)
        link.data_received(garbage + b"\n")
        assert transport_of(link).aborted
        link.connection_lost(None)
        why = await link.lost
        assert why.startswith("it does not speak version 2 of the protocol")
        assert why.isprintable()
        assert len(why) < 200
        assert heard.all == ["lost"]

    asyncio.run(feed())


def changed(**keys: object) -> bytes:
    return line(**(BLOCK | keys))


@pytest.mark.parametrize(
    "wrong",
    [
        changed(seq="1"),
        changed(messages=["a", 1]),
        changed(messages=[]),
        changed(publishers=[]),
        changed(publishers=["p@b.c"] * 3),
        changed(published_at="noon"),
        changed(action="whisper"),
        changed(messages=["x"]).replace(b'"x"', b'"\\ud800"'),
        line(action="success", code=0),
        line(action="success", id=None),
        line(action="error", message="no"),
        line(action="history", id="1", topic_name="T", head=1, blocks=[BLOCK | {"messages": []}]),
        b'{"action":"success","id":1,"x":' + b"[" * 100_000 + b"\n",
        b"\n",
        b"{}\n",
    ],
)
async def test_a_wrong_line_ends_the_connection_before_those_behind_it(
    link: Link, heard: Heard, wrong: bytes
) -> None:
    link.data_received(line(action="success", id=1) + wrong + line(action="success", id=2))
    assert transport_of(link).aborted
    assert [cast(Succeeded, one).id for one in heard.all] == [1]


async def test_a_line_that_never_ends_is_not_kept(
    link: Link, heard: Heard, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(link._splitter, "_limit", 1_000)
    for _ in range(100):
        link.data_received(b"x" * 999)
    assert heard.all == []
    assert not transport_of(link).aborted
    link.data_received(b"\n")
    assert transport_of(link).aborted


async def test_an_error_without_an_id_is_why_the_connection_ends(link: Link, heard: Heard) -> None:
    link.data_received(line(action="error", message="enough", reason="stopping"))
    assert heard.all == []
    assert link.notice is not None
    link.connection_lost(OSError("reset"))
    assert await link.lost == "enough"


@pytest.mark.parametrize(
    ("error", "why"),
    [(None, "the broker closed the connection"), (ConnectionResetError("reset"), "reset")],
)
async def test_an_end_without_a_word_says_what_is_known(
    link: Link, error: Exception | None, why: str
) -> None:
    link.connection_lost(error)
    assert await link.lost == why


async def test_what_is_written_after_the_end_goes_nowhere(link: Link) -> None:
    link.write(b"before")
    link.abort("that is it")
    link.write(b"after")
    link.pause()
    link.resume()
    link.abort("again")
    link.connection_lost(None)
    assert await link.lost == "that is it"
    assert transport_of(link).written == b"before"


async def test_the_end_is_told_once(link: Link, heard: Heard) -> None:
    link.connection_lost(None)
    link.connection_lost(None)
    assert heard.all == ["lost"]


async def test_a_pause_lets_nothing_in(fake: FakeBroker, heard: Heard) -> None:
    link = await open_link(Address("127.0.0.1", fake.port), heard, 5)
    peer = await fake.accept()
    link.pause()
    link.pause()
    assert link.paused
    before = link.heard
    peer.deliver("T", 1, ["x"])
    for _ in range(10):
        await asyncio.sleep(0)
    assert heard.all == []
    link.resume()
    assert link.heard == before + 1  # or silence would be taken for death right after
    link.resume()
    peer.cut()
    await asyncio.wait([link.lost])
    assert len(heard.all) in (1, 2)


async def test_closing_sends_what_was_written(fake: FakeBroker, heard: Heard) -> None:
    link = await open_link(Address("127.0.0.1", fake.port), heard, 5)
    peer = await fake.accept()
    sent = line(action="ping", text="x" * 2**20)
    link.write(sent)
    closing = asyncio.create_task(link.close())
    assert (await peer.read())["text"] == "x" * 2**20
    await closing
    assert heard.all == ["lost"]


async def test_an_address_where_nobody_listens_is_no_broker(heard: Heard) -> None:
    with pytest.raises(NoBroker, match=r"^127\.0\.0\.1:1: Connection refused$"):
        await open_link(Address("127.0.0.1", 1), heard, 5)


async def test_one_name_of_several_addresses_is_one_sentence(
    heard: Heard, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refuse(*_: object, ssl: object) -> None:
        raise OSError(
            "Multiple exceptions: [Errno 111] Connect call failed ('::1', 1, 0, 0),"
            " [Errno 111] Connect call failed ('127.0.0.1', 1)"
        )

    monkeypatch.setattr(asyncio.get_running_loop(), "create_connection", refuse)
    with pytest.raises(NoBroker, match=r"^localhost:1: Connection refused$"):
        await open_link(Address("localhost", 1), heard, 5)


async def test_an_address_that_does_not_answer_is_given_up(
    heard: Heard, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def wait(*_: object, ssl: object) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(asyncio.get_running_loop(), "create_connection", wait)
    with pytest.raises(NoBroker, match=r"no answer within 0\.01 s"):
        await open_link(Address("127.0.0.1", 1), heard, 0.01)
