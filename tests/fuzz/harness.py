"""A broker that is sent anything, and two bystanders who must not notice."""

import asyncio
import json
import logging
from collections.abc import Sequence
from contextlib import suppress
from types import TracebackType
from typing import Any, Self
from unittest.mock import patch

from broker import Broker, Settings
from protocol.lines import LineTooLong
from protocol.reasons import Reason
from tests.doubles.memory_store import MemoryStore
from tests.wire import Wire, until

MESSAGE_BYTES = 2_000
PATIENCE_S = 15.0
OURS = {"password": "the bystanders' own"}  # so that nobody signs in as one of them
TOPIC = "the bystanders' topic"

REASONS = {reason.value for reason in Reason}
DELIVERIES = {"unread", "broadcast", "gap", "topic_deleted"}
ANSWERS = {"success", "error", "list_topics", "subscriptions", "receipts", "history"}
# After these the broker may close, so that what stands behind them is not answered.
LAST = {Reason.TAKEN_OVER, Reason.STOPPING, Reason.STORE_UNAVAILABLE, Reason.PASSWORD_CHANGED}
LAST |= {Reason.ACCOUNT_DELETED}


class Complaints(logging.Handler):
    """Keeps what should never be logged: tracebacks and errors."""

    def __init__(self) -> None:
        super().__init__()
        self.heard: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        if record.exc_info or record.levelno >= logging.ERROR:
            self.heard.append(self.format(record))


class Harness:
    """A broker on a store in memory, with a bystander who publishes and one who reads."""

    def __init__(self) -> None:
        # Passwords that cost nothing: how they are hashed is not what is tried here.
        self._cheap = patch.multiple("broker.passwords", ITERATIONS=1, MEMORY_KIB=8)
        self._complaints = Complaints()
        self._said = 0

    async def __aenter__(self) -> Self:
        self._cheap.start()
        logging.getLogger().addHandler(self._complaints)
        asyncio.get_running_loop().set_exception_handler(
            lambda _, context: self._complaints.heard.append(str(context))
        )
        settings = Settings(
            store_url="memory",
            port=0,
            message_bytes=MESSAGE_BYTES,
            high_water_bytes=64 * 1024,
            unfinished_bytes=16 * 1024,
            stop_wait_s=0.5,
        )
        self._broker = Broker(settings, MemoryStore())
        await self._broker.start()
        self._speaker = await self._bystander("speaker@by.stander", "publisher")
        self._listener = await self._bystander("listener@by.stander", "subscriber")
        await self._speaker.ask("create_topic", topic_name=TOPIC)
        await self._listener.ask("subscribe", topic_name=TOPIC)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self._speaker.close()
        await self._listener.close()
        await self._broker.stop()
        logging.getLogger().removeHandler(self._complaints)
        self._cheap.stop()

    async def check(self, pieces: Sequence[bytes], *, cut: bool = False) -> None:
        """Send `pieces`, each by itself, and see that all is as documented.

        With `cut` the connection breaks instead of being ended and answered.
        """
        async with asyncio.timeout(PATIENCE_S):
            wire = await Wire.open(self._broker.port)
            for piece in pieces:
                wire.send_bytes(piece)
                await asyncio.sleep(0)
            await self._bystanders_go_on()
            if cut:
                wire.writer.transport.abort()
            else:
                wire.writer.write_eof()
                check_answers(b"".join(pieces), await lines_of(wire))
            await wire.close()
            await until(lambda: len(self._broker._connections) == 2)
            await self._bystanders_go_on()
        assert not self._complaints.heard, self._complaints.heard[0]

    async def _bystander(self, email: str, user_type: str) -> Wire:
        wire = await Wire.open(self._broker.port)
        reply = await wire.ask("create", user_email=email, user_type=user_type, **OURS)
        assert reply == {"action": "success", "code": 0}
        return wire

    async def _bystanders_go_on(self) -> None:
        self._said += 1
        text = f"message {self._said}"
        reply = await self._speaker.ask("publish_msg", topic_name=TOPIC, msg=text)
        assert reply == {"action": "success", "code": 0}
        assert await self._listener.read() == {"action": "broadcast", "message": text}


async def lines_of(wire: Wire) -> list[bytes]:
    """Return what comes until the broker closes; who sends on after that is reset."""
    lines: list[bytes] = []
    with suppress(ConnectionResetError):
        while line := await wire.read_line():
            lines.append(line)
    return lines


def check_answers(sent: bytes, came: Sequence[bytes]) -> None:
    """See that each request is answered once, in a documented way."""
    lines = [json.loads(line) for line in came]
    answers = [line for line in lines if line["action"] not in DELIVERIES]
    for line in answers:
        check_answer(line)
    wanted = requests_in(sent)
    ended = answers and answers[-1].get("reason") in LAST
    if sent[:1] == b"\x16":  # taken for TLS, and sent away
        assert len(answers) == 1
    elif not ended:
        assert len(answers) == wanted, f"{wanted} requests brought {answers}"


def requests_in(sent: bytes) -> int:
    """Return how many lines ask for something."""
    limit = Settings(store_url="memory", message_bytes=MESSAGE_BYTES).line_bytes
    lines = [
        line if len(line) <= limit else LineTooLong(limit) for line in sent.split(b"\n") if line
    ]
    return sum(isinstance(line, LineTooLong) or bool(line.strip()) for line in lines)


def check_answer(line: dict[str, Any]) -> None:
    assert line["action"] in ANSWERS, line
    if line["action"] == "error":
        assert line.keys() - {"id"} in ({"action", "message"}, {"action", "message", "reason"})
        assert line.get("reason") in REASONS | {None}
        assert 0 < len(line["message"]) < 900
        assert line["message"].isprintable()
    elif line["action"] == "success":
        assert line["code"] == 0
