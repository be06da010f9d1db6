"""How a client connects, stays connected, and when it gives up."""

import asyncio
import contextlib
from typing import Any

import pytest

from clients import (
    AccountNotFound,
    NoBroker,
    Observer,
    Phase,
    Publisher,
    RequestRefused,
    SessionEnded,
    State,
    Subscriber,
)
from clients.address import Address
from clients.backoff import Backoff
from clients.questions import Unanswered
from protocol.reasons import Reason
from protocol.requests import ListTopics
from tests.clients.conftest import AT_ONCE
from tests.clients.watch import Watch
from tests.doubles.fake_broker import FakeBroker, Peer


def publisher(fake: FakeBroker, **options: Any) -> Publisher:
    return Publisher(fake.address, "p@b.c", **({"backoff": AT_ONCE} | options))


def subscriber(fake: FakeBroker, **options: Any) -> Subscriber:
    return Subscriber(fake.address, "s@b.c", **({"backoff": AT_ONCE} | options))


async def opened(client: Publisher | Subscriber | Observer, fake: FakeBroker, **keys: Any) -> Peer:
    """Open `client` at `fake`, and return the broker's end."""
    role = "subscriber" if isinstance(client, Subscriber) else "publisher"
    peer, _ = await asyncio.gather(fake.signed_in(user_type=role, **keys), client.open())
    return peer


async def test_the_states_are_told_in_order(fake: FakeBroker) -> None:
    watch = Watch()
    client = publisher(fake, on_state=watch)
    assert client.state == State(Phase.OFFLINE)
    peer = await opened(client, fake)
    where = Address("127.0.0.1", fake.port)
    assert watch.states == [
        State(Phase.CONNECTING, where),
        State(Phase.SIGNING_IN, where),
        State(Phase.LIVE, where),
    ]
    assert client.state is watch.states[-1]
    peer.cut()
    away = await watch.next(Phase.RECONNECTING)
    assert (away.attempt, away.address) == (1, None)
    assert away.why
    assert away.retry_at is not None
    await fake.signed_in()
    await watch.next(Phase.LIVE)
    await client.close()
    assert watch.phases[3:] == [
        Phase.RECONNECTING,
        Phase.CONNECTING,
        Phase.SIGNING_IN,
        Phase.LIVE,
        Phase.CLOSED,
    ]
    assert [state.attempt for state in watch.states[4:7]] == [1, 1, 0]


async def test_tries_are_counted_until_a_broker_is_back(fake: FakeBroker) -> None:
    watch = Watch()
    client = publisher(fake, on_state=watch)
    peer = await opened(client, fake)
    await fake.stop_listening()
    peer.cut()
    for attempt in (1, 2, 3):
        state = await watch.next(Phase.RECONNECTING)
        assert state.attempt == attempt
    assert "Connection refused" in state.why
    await fake.listen()
    await fake.signed_in()
    await watch.next(Phase.LIVE)
    await client.close()


async def test_retry_now_ends_a_long_pause_also_from_within_on_state(fake: FakeBroker) -> None:
    def retry(state: State) -> None:
        if state.phase is Phase.RECONNECTING:
            client.retry_now()

    client = publisher(fake, backoff=Backoff(first_s=3600), on_state=Watch(retry))
    peer = await opened(client, fake)
    peer.cut()
    await fake.signed_in()
    await client.close()


async def test_retry_now_before_a_pause_does_not_shorten_it(fake: FakeBroker) -> None:
    watch = Watch()
    client = publisher(fake, backoff=Backoff(first_s=3600), on_state=watch)
    peer = await opened(client, fake)
    client.retry_now()
    peer.cut()
    await watch.next(Phase.RECONNECTING)
    for _ in range(10):
        await asyncio.sleep(0)
    assert client.state.phase is Phase.RECONNECTING
    client.retry_now()
    await fake.signed_in()
    await client.close()


async def test_what_on_state_raises_is_reported_and_changes_nothing(fake: FakeBroker) -> None:
    reported: list[object] = []
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _, context: reported.append(context["exception"]))
    error = RuntimeError("the screen is gone")

    def fail(state: State) -> None:
        raise error

    try:
        client = publisher(fake, on_state=fail)
        peer = await opened(client, fake)
        peer.cut()
        await fake.signed_in()
        await client.close()
    finally:
        loop.set_exception_handler(None)
    assert client.state.phase is Phase.CLOSED
    assert set(reported) == {error}


async def test_on_state_may_send(fake: FakeBroker) -> None:
    def send(state: State) -> None:
        if state.phase is Phase.LIVE:
            client.send_soon("T", "I am here")

    client = publisher(fake, on_state=send)
    peer = await opened(client, fake)
    assert (await peer.read())["msg"] == "I am here"
    await client.close()


# several brokers


async def test_the_first_broker_that_answers_is_taken(fake: FakeBroker) -> None:
    watch = Watch()
    client = Publisher(f"127.0.0.1:1,{fake.address}", "p@b.c", on_state=watch)
    await opened(client, fake)
    assert [str(state.address) for state in watch.states] == [
        "127.0.0.1:1",
        *[fake.address] * 3,
    ]
    await client.close()


@pytest.mark.parametrize("fault", ["silent", "closing", "stopping", "store_unavailable", "garbage"])
async def test_a_broker_that_does_not_let_us_in_leads_to_the_next(
    fake: FakeBroker, fault: str
) -> None:
    async with FakeBroker() as ill:
        client = Publisher(f"{ill.address},{fake.address}", "p@b.c", timeout_s=0.2)
        opening = asyncio.create_task(client.open())
        peer = await ill.accept()
        request = await peer.read()
        if fault == "closing":
            peer.cut()
        elif fault == "garbage":
            peer.say_bytes(b"SSH-2.0-OpenSSH_9.2\r\n")
        elif fault != "silent":
            peer.refuse(request, fault)
        await fake.signed_in()
        await opening
        assert str(client.state.address) == fake.address
        await client.close()


async def test_no_broker_at_all_names_each_and_what_to_do() -> None:
    client = Publisher("127.0.0.1:1,[::1]:1", "p@b.c")
    with pytest.raises(NoBroker, match=r"127\.0\.0\.1:1: .*; \[::1\]:1.*pubsub broker"):
        await client.open()
    assert client.state.phase is Phase.OFFLINE


@pytest.mark.parametrize("host", ["a" * 70, "a\0b", "\ud800"])
async def test_a_host_that_cannot_be_one_is_no_broker(host: str) -> None:
    with pytest.raises(NoBroker):
        await Publisher([Address(host, 1)], "p@b.c").open()


async def test_no_address_at_all_is_a_bad_one() -> None:
    with pytest.raises(ValueError, match="HOST:PORT"):
        Publisher([], "p@b.c")


async def test_an_option_that_there_is_not_is_told() -> None:
    with pytest.raises(TypeError, match="tiemout_s"):
        Publisher("localhost", "p@b.c", tiemout_s=3)  # type: ignore[call-arg]  # on purpose


# signing in


async def test_open_may_be_called_again_after_a_failure(fake: FakeBroker) -> None:
    await fake.stop_listening()
    client = publisher(fake)
    with pytest.raises(NoBroker):
        await client.open()
    await fake.listen()
    await opened(client, fake)
    await client.close()


async def test_open_twice_is_a_mistake_that_is_told(fake: FakeBroker) -> None:
    client = publisher(fake)
    await opened(client, fake)
    with pytest.raises(RuntimeError, match="open already"):
        await client.open()
    assert client.state.phase is Phase.LIVE
    await client.close()


async def test_an_account_made_by_somebody_else_meanwhile_is_signed_in(fake: FakeBroker) -> None:
    client = publisher(fake, create=True)
    opening = asyncio.create_task(client.open())
    peer = await fake.accept()
    peer.refuse(await peer.read(), "account_not_found")
    request = await peer.read()
    assert (request["action"], request["user_type"]) == ("create", "publisher")
    peer.refuse(request, "account_exists")
    assert (await peer.sign_in())["action"] == "connect"
    await opening
    await client.close()


async def test_without_create_no_account_is_made(fake: FakeBroker) -> None:
    client = publisher(fake)
    opening = asyncio.create_task(client.open())
    peer = await fake.accept()
    peer.refuse(await peer.read(), "account_not_found")
    with pytest.raises(AccountNotFound):
        await opening
    assert await peer.read_all() == []
    assert client.state.phase is Phase.OFFLINE


async def test_a_role_that_does_not_fit_is_refused_before_the_session_begins(
    fake: FakeBroker,
) -> None:
    client = publisher(fake)
    opening = asyncio.create_task(client.open())
    await fake.signed_in(user_type="subscriber")
    with pytest.raises(RequestRefused, match="publisher") as raised:
        await opening
    assert raised.value.reason == Reason.WRONG_ROLE


async def test_a_silent_broker_is_given_up_after_the_timeout(fake: FakeBroker) -> None:
    client = publisher(fake, timeout_s=0.05)
    with pytest.raises(NoBroker, match=r"sign in within 0\.05 s"):
        await client.open()


@pytest.mark.parametrize(
    "line",
    [
        b'{"action":"success","code":0}\n',
        b'{"action":"success","code":0,"id":"sign in"}\n',
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
        b"\x1b[2J\n",
        b'{"action":"\\u001b[2J"}\n',
        b"[" * 100_000 + b"\n",
        b"\n",
    ],
)
async def test_what_does_not_speak_version_2_is_no_broker(fake: FakeBroker, line: bytes) -> None:
    client = publisher(fake)
    opening = asyncio.create_task(client.open())
    peer = await fake.accept()
    await peer.read()
    peer.say_bytes(line)
    with pytest.raises(NoBroker, match="does not speak version 2") as raised:
        await opening
    assert str(raised.value).isprintable()
    assert len(str(raised.value)) < 400


async def test_who_is_turned_away_before_anything_is_known_is_told_why(fake: FakeBroker) -> None:
    client = publisher(fake)
    opening = asyncio.create_task(client.open())
    peer = await fake.accept()
    peer.say("error", message="no room")
    with pytest.raises(NoBroker, match=f"^{fake.address}: no room$"):
        await opening


# losing the connection


async def test_a_connection_lost_right_after_the_sign_in_is_made_again(fake: FakeBroker) -> None:
    watch = Watch()
    client = publisher(fake, on_state=watch)
    await opened(client, fake)
    for _ in range(5):
        peer = fake.peers[-1]
        peer.cut()
        again = await fake.signed_in()
        again.cut()
        await fake.signed_in()
        await watch.next(Phase.LIVE)
    topics = asyncio.create_task(client.topics())
    peer = fake.peers[-1]
    peer.say("list_topics", id=(await peer.read())["id"], topics=[], details=[])
    assert await topics == []
    await client.close()


async def test_a_connection_that_ends_in_the_same_moment_as_it_begins_is_made_again(
    fake: FakeBroker,
) -> None:
    client = publisher(fake)
    peer = await opened(client, fake)
    peer.cut()
    peer = await fake.accept()
    request = await peer.read()
    loop = asyncio.get_running_loop()

    def answer_and_lose() -> None:
        link = client._link
        assert link is not None
        line = b'{"action":"success","id":"sign in","user_type":"publisher","subscriptions":[],'
        link.data_received(line + b'"limits":{"line_bytes":9999,"message_bytes":999}}\n')
        link.connection_lost(None)

    assert request["action"] == "connect"
    loop.call_soon(answer_and_lose)
    await fake.signed_in()
    receipt = asyncio.create_task(client.publish("T", "after"))
    peer = fake.peers[-1]
    peer.succeed(await peer.read(), seq=1)
    assert (await receipt).seq == 1
    await client.close()


async def test_a_half_open_connection_is_noticed_and_replaced(fake: FakeBroker) -> None:
    watch = Watch()
    client = publisher(fake, heartbeat_s=0.02, on_state=watch)
    peer = await opened(client, fake)
    assert (await peer.read())["action"] == "ping"
    away = await watch.next(Phase.RECONNECTING)
    assert "not answered for 0.04 s" in away.why
    await fake.signed_in()
    await client.close()


async def test_a_broker_that_answers_pings_is_kept(fake: FakeBroker) -> None:
    client = publisher(fake, heartbeat_s=0.02)
    peer = await opened(client, fake)
    for _ in range(5):
        peer.succeed(await peer.read())
    assert client.state.phase is Phase.LIVE
    await client.close()


@pytest.mark.parametrize("reason", ["store_unavailable", "stopping"])
async def test_a_refusal_that_passes_is_tried_again(fake: FakeBroker, reason: str) -> None:
    watch = Watch()
    client = publisher(fake, on_state=watch)
    peer = await opened(client, fake)
    peer.dismiss("stopping", "the broker is being stopped")
    assert "being stopped" in (await watch.next(Phase.RECONNECTING)).why
    peer = await fake.accept()
    peer.refuse(await peer.read(), reason, "in a moment")
    assert "in a moment" in (await watch.next(Phase.RECONNECTING)).why
    await fake.signed_in()
    await watch.next(Phase.LIVE)
    await client.close()


async def test_a_sign_in_refused_later_ends_the_session_and_says_why(fake: FakeBroker) -> None:
    watch = Watch()
    client = publisher(fake, on_state=watch)
    peer = await opened(client, fake)
    waiting = asyncio.create_task(client.topics())
    await peer.read()
    publication = client.send_soon("T", "lost?")
    peer.cut()
    peer = await fake.accept()
    peer.refuse(await peer.read(), "account_not_found", "who are you?")
    ended = await watch.next(Phase.REFUSED)
    assert ended.why == "who are you?"
    for work in (waiting, publication, client.topics(), client.publish("T", "x")):
        with pytest.raises(SessionEnded, match="who are you"):
            await work
    await client.close()
    assert client.state is ended


async def test_taken_over_ends_the_session_without_another_try(fake: FakeBroker) -> None:
    watch = Watch()
    client = subscriber(fake, on_state=watch)
    peer = await opened(client, fake)
    peer.dismiss("taken_over", "a newer session")
    assert (await watch.next(Phase.CLOSED)).why == "a newer session"
    with pytest.raises(SessionEnded, match="a newer session"):
        await anext(client)
    assert fake.waiting == 0
    await client.close()


async def test_a_sign_in_of_its_own_that_was_given_up_does_not_end_the_session(
    fake: FakeBroker,
) -> None:
    """It may have waited for the store of another broker, and be carried out after all."""
    watch = Watch()
    client = subscriber(fake, on_state=watch)
    peer = await opened(client, fake)
    peer.cut()
    given_up = await fake.accept()
    await given_up.read()
    given_up.cut()
    peer = await fake.signed_in(user_type="subscriber")
    await watch.next(Phase.LIVE)
    peer.dismiss("taken_over", "a newer session")
    peer = await fake.signed_in(user_type="subscriber")
    await watch.next(Phase.LIVE)
    peer.dismiss("taken_over", "a newer session")  # that is somebody else
    assert (await watch.next(Phase.CLOSED)).why == "a newer session"
    await client.close()


@pytest.mark.parametrize("with_id", [True, False])
async def test_taken_over_while_signing_in_again_ends_the_session(
    fake: FakeBroker, with_id: bool
) -> None:
    watch = Watch()
    client = subscriber(fake, on_state=watch)
    peer = await opened(client, fake)
    peer.cut()
    peer = await fake.accept()
    request = await peer.read()
    if with_id:
        peer.refuse(request, "taken_over", "a newer session")
    else:
        peer.dismiss("taken_over", "a newer session")
    assert (await watch.next(Phase.CLOSED)).why == "a newer session"
    assert fake.waiting == 0
    await client.close()


async def test_a_question_is_asked_again_on_the_next_connection(fake: FakeBroker) -> None:
    client = publisher(fake)
    peer = await opened(client, fake)
    asking = asyncio.create_task(client.confirmations("T", 7))
    first = await peer.read()
    peer.cut()
    peer = await fake.signed_in()
    again = await peer.read()
    assert (first["action"], first["seq"]) == (again["action"], again["seq"]) == ("receipts", 7)
    peer.say("receipts", id=again["id"], topic_name="T", seq=7, confirmed=1, subscriptions=2)
    answer = await asking
    assert (answer.confirmed, answer.subscriptions) == (1, 2)
    await client.close()


async def test_a_question_on_a_connection_that_is_gone_already_is_no_open_one(
    fake: FakeBroker,
) -> None:
    client = publisher(fake)
    await opened(client, fake)
    link = client._link
    assert link is not None
    link.connection_lost(None)
    with pytest.raises(Unanswered):
        await client._questions.ask(link, ListTopics(), "1")
    assert not client._questions
    await client.close()


async def test_a_question_to_a_broker_that_stops_waits_for_the_next(fake: FakeBroker) -> None:
    client = publisher(fake)
    peer = await opened(client, fake)
    asking = asyncio.create_task(client.topics())
    peer.refuse(await peer.read(), "stopping")
    peer.dismiss("stopping")
    peer = await fake.signed_in()
    peer.say("list_topics", id=(await peer.read())["id"], topics=[], details=[])
    assert await asking == []
    await client.close()


async def test_a_question_refused_for_the_store_is_told(fake: FakeBroker) -> None:
    client = publisher(fake)
    peer = await opened(client, fake)
    asking = asyncio.create_task(client.topics())
    peer.refuse(await peer.read(), "store_unavailable", "ask again in a moment")
    with pytest.raises(RequestRefused, match="in a moment"):
        await asking
    await client.close()


async def test_a_fault_of_the_library_ends_the_session_rather_than_hang(
    fake: FakeBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    reported: list[object] = []
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _, context: reported.append(context["exception"]))
    watch = Watch()
    client = publisher(fake, on_state=watch)
    peer = await opened(client, fake)

    async def fail(*_: object, **__: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(client, "_connect", fail)
    try:
        peer.cut()
        await watch.next(Phase.CLOSED)
        with pytest.raises(SessionEnded, match="ZeroDivisionError"):
            await client.topics()
        await client.close()
    finally:
        loop.set_exception_handler(None)
    assert [type(error) for error in reported] == [ZeroDivisionError]


# closing, in every state


async def test_close_before_open(fake: FakeBroker) -> None:
    client = publisher(fake)
    await client.close()
    assert client.state.phase is Phase.CLOSED
    with pytest.raises(SessionEnded):
        await client.open()
    assert client.state.phase is Phase.CLOSED
    assert fake.waiting == 0


async def test_close_while_connecting_ends_open(fake: FakeBroker) -> None:
    closing: list[asyncio.Task[None]] = []

    def close(state: State) -> None:
        if state.phase is Phase.CONNECTING:
            closing.append(asyncio.create_task(client.close()))

    client = publisher(fake, on_state=close)
    with pytest.raises(SessionEnded):
        await client.open()
    await closing[0]
    assert client.state.phase is Phase.CLOSED
    await (await fake.accept()).gone()


async def test_close_while_signing_in_ends_open(fake: FakeBroker) -> None:
    client = publisher(fake)
    opening = asyncio.create_task(client.open())
    peer = await fake.accept()
    await peer.read()
    await client.close()
    with pytest.raises(SessionEnded):
        await opening
    assert client.state.phase is Phase.CLOSED
    await peer.gone()


async def test_close_while_live_and_again(fake: FakeBroker) -> None:
    client = publisher(fake)
    peer = await opened(client, fake)
    await asyncio.gather(client.close(), client.close())
    await client.close()
    await peer.gone()
    assert client.state.phase is Phase.CLOSED
    with pytest.raises(SessionEnded, match="closed"):
        await client.topics()


@pytest.mark.parametrize("phase", [Phase.RECONNECTING, Phase.CONNECTING, Phase.SIGNING_IN])
async def test_close_while_coming_back(fake: FakeBroker, phase: Phase) -> None:
    watch = Watch()
    client = publisher(fake, on_state=watch)
    peer = await opened(client, fake)
    await watch.next(Phase.LIVE)
    waiting = asyncio.create_task(client.topics())
    await peer.read()
    peer.cut()
    await watch.next(phase)
    await client.close()
    assert client.state.phase is Phase.CLOSED
    with pytest.raises(SessionEnded, match="closed"):
        await waiting


async def test_close_does_not_wait_for_a_broker_that_reads_nothing(fake: FakeBroker) -> None:
    client = publisher(fake)
    peer = await opened(client, fake)
    peer.stall()
    for _ in range(64):
        client.send_soon("T", "x" * 2**17)
    await client.close()
    assert client.state.phase is Phase.CLOSED


async def test_a_cancelled_close_leaves_no_connection_behind(fake: FakeBroker) -> None:
    client = publisher(fake)
    peer = await opened(client, fake)
    closing = asyncio.create_task(client.close())
    await asyncio.sleep(0)
    closing.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await closing
    await peer.gone()


@pytest.mark.parametrize("steps", range(12))
async def test_open_cancelled_at_any_step_leaves_no_connection_and_may_be_called_again(
    fake: FakeBroker, steps: int
) -> None:
    client = publisher(fake)
    serving = asyncio.create_task(fake.signed_in())
    opening = asyncio.create_task(client.open())
    for _ in range(steps):
        await asyncio.sleep(0)
    opening.cancel()
    try:
        await opening
    except asyncio.CancelledError:
        assert client.state.phase is Phase.OFFLINE
        serving.cancel()
        await asyncio.gather(serving, return_exceptions=True)
        for peer in fake.peers:
            await peer.gone()
        while fake.waiting:
            await fake.accept()
        await opened(client, fake)
    assert client.state.phase is Phase.LIVE
    await client.close()


async def test_leaving_the_block_after_close_within_it_is_no_error(fake: FakeBroker) -> None:
    for client in (publisher(fake), subscriber(fake)):
        signing_in = asyncio.create_task(
            fake.signed_in(
                user_type="subscriber" if isinstance(client, Subscriber) else "publisher"
            )
        )
        async with client:
            await client.close()
        await signing_in


async def test_before_open_everything_says_how_to_open(fake: FakeBroker) -> None:
    client = publisher(fake)
    for work in (client.topics(), client.publish("T", "x"), client.publish_together("T", ["x"])):
        with pytest.raises(SessionEnded, match="async with"):
            await work
    with pytest.raises(SessionEnded, match="async with"):
        await anext(subscriber(fake))
