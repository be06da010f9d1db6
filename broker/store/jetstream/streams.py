"""JetStream's own requests: making, looking at and emptying streams, and single messages."""

import asyncio
import base64
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec

from broker.store.errors import StoreLost
from broker.store.jetstream.connection import Answer, Connection
from broker.store.jetstream.faults import (
    NO_MESSAGE_FOUND,
    STREAM_NOT_FOUND,
    WRONG_LAST_SEQUENCE,
    ApiRefused,
    NoAnswer,
    NobodyAnswers,
    NotNow,
    api_error,
)

API = "$JS.API"
MAKE_TIMEOUT_S = 10.0  # a stream gets a leader first
READ_TIMEOUTS_S = (1.0, 2.0, 3.0)
NEAR_TIMEOUT_S = 1.0
LEADERS_S = 10.0
WRITE_TIMEOUT_S = 3.0
RETRY_S = 0.1
LEADERLESS_S = 10.0  # an election takes less


@dataclass(frozen=True, slots=True)
class Message:
    """A message as a stream holds it."""

    subject: str
    sequence: int
    headers: dict[str, str]
    data: bytes


@dataclass(frozen=True, slots=True)
class StreamState:
    """What a stream holds: the messages from `first` to `last`; none where `first > last`."""

    first: int
    last: int
    config: dict[str, Any]
    subjects: dict[str, int]
    created_at: datetime


class WrongLast(Exception):
    """Something else has been written since. `last` is the newest, where the server tells."""

    def __init__(self, last: int | None) -> None:
        self.last = last


class Streams:
    """The streams of an account, asked for by name.

    A question is asked again when nobody answers it: a leader may have been lost with it.
    """

    def __init__(self, connection: Connection, wait_s: float) -> None:
        self._connection = connection
        self._wait_s = wait_s
        self._leaders_until = 0.0  # leaders alone are asked
        self.replicated = True  # several servers have each message

    async def make(self, config: dict[str, Any]) -> None:
        """Make a stream. One that is there already with this very configuration is fine."""
        await self._api(f"STREAM.CREATE.{config['name']}", config, (MAKE_TIMEOUT_S,))

    async def look(self, name: str, subjects: str | None = None) -> StreamState | None:
        """Return how the stream is, as its leader sees it, or None where there is none."""
        question = {} if subjects is None else {"subjects_filter": subjects}
        found = await self._found(f"STREAM.INFO.{name}", question)
        if found is None:
            return None
        state = found["state"]
        names = dict(state.get("subjects") or {})
        total = found.get("total", 0)
        while subjects is not None and len(names) < total:
            more = {**question, "offset": len(names)}
            page = await self._api(f"STREAM.INFO.{name}", more)
            some = page["state"].get("subjects") or {}
            if not some:
                break
            names |= some
        return StreamState(
            state["first_seq"],
            state["last_seq"],
            found["config"],
            names,
            datetime.fromisoformat(found["created"][:19] + "+00:00"),
        )

    async def remove(self, name: str) -> None:
        """Take the stream away, if it is there."""
        await self._found(f"STREAM.DELETE.{name}", None)

    async def purge(self, name: str, before: int) -> None:
        """Take away the stream's messages before the sequence `before`."""
        await self._found(f"STREAM.PURGE.{name}", {"seq": before})

    async def named(self, subject: str) -> list[str]:
        """Return the names of the streams that take what is sent to `subject`."""
        names: list[str] = []
        while True:
            page = await self._api("STREAM.NAMES", {"subject": subject, "offset": len(names)})
            names += page.get("streams") or []
            if not page.get("streams") or len(names) >= page["total"]:
                return names

    async def account(self) -> dict[str, Any]:
        """Return what the account may use."""
        return await self._api("INFO", None)

    async def get(self, name: str, **which: object) -> Message | None:
        """Return a message as the stream's leader has it, or None."""
        found = await self._found(f"STREAM.MSG.GET.{name}", which)
        if found is None:
            return None
        message = found["message"]
        headers = base64.b64decode(message.get("hdrs", ""))
        data = base64.b64decode(message.get("data", ""))
        return Message(message["subject"], message["seq"], _lines(headers), data)

    async def get_near(self, name: str, sequence: int) -> Message | None:
        """Return the message at `sequence` from any server that has it.

        None tells nothing: the leader has to be asked. So it is for a while after one was
        silent, which others take for one that is well.
        """
        loop = asyncio.get_running_loop()
        if loop.time() < self._leaders_until:
            return None
        try:
            answer = await self._connection.ask(
                f"{API}.DIRECT.GET.{name}", b'{"seq":%d}' % sequence, timeout_s=NEAR_TIMEOUT_S
            )
        except (NoAnswer, NobodyAnswers):
            self._leaders_until = loop.time() + LEADERS_S
            return None
        if answer.status:
            return None
        headers = answer.headers
        return Message(headers["Nats-Subject"], int(headers["Nats-Sequence"]), headers, answer.data)

    async def write(self, subject: str, payload: bytes, headers: dict[str, str]) -> int:
        """Send `payload` to the stream that takes `subject`; return the sequence it got there.

        Raises:
            WrongLast: the headers expect what is not so any more; nothing was written.
            NobodyAnswers: there is no leader, or no stream; nothing was written.
            StoreLost: no answer; it may be written, now or later.
            StoreRefused: it was not written.
        """
        told = _decoded(await self._connection.ask(subject, payload, headers, WRITE_TIMEOUT_S))
        if "error" not in told:
            return int(told["seq"])
        if told["error"].get("err_code") == WRONG_LAST_SEQUENCE:
            last = str(told["error"].get("description", "")).rpartition(" ")[2]
            raise WrongLast(int(last) if last.isdigit() else None)
        raise api_error(told["error"])

    async def write_patiently(self, subject: str, payload: bytes, headers: dict[str, str]) -> int:
        """Do the same, and wait for a leader where there is none."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._wait_s
        while True:
            try:
                return await self.write(subject, payload, headers)
            except NobodyAnswers:
                if loop.time() > deadline:
                    raise
            await asyncio.sleep(RETRY_S)

    async def _found(self, what: str, question: dict[str, Any] | None) -> dict[str, Any] | None:
        try:
            return await self._api(what, question)
        except ApiRefused as error:
            if error.code in (STREAM_NOT_FOUND, NO_MESSAGE_FOUND):
                return None
            raise

    async def _api(
        self,
        what: str,
        question: dict[str, Any] | None,
        timeouts_s: Sequence[float] = READ_TIMEOUTS_S,
    ) -> dict[str, Any]:
        payload = b"" if question is None else msgspec.json.encode(question)
        loop = asyncio.get_running_loop()
        deadline = loop.time() + min(self._wait_s, LEADERLESS_S)
        while True:
            told = _decoded(await self._asked(f"{API}.{what}", payload, timeouts_s))
            if "error" not in told:
                return told
            error = api_error(told["error"])
            if not isinstance(error, NotNow) or loop.time() > deadline:
                raise error
            await asyncio.sleep(RETRY_S)

    async def _asked(self, subject: str, payload: bytes, timeouts_s: Sequence[float]) -> Answer:
        for timeout_s in timeouts_s[:-1]:
            with suppress(NoAnswer):
                return await self._connection.ask(subject, payload, timeout_s=timeout_s)
        return await self._connection.ask(subject, payload, timeout_s=timeouts_s[-1])


def _decoded(answer: Answer) -> dict[str, Any]:
    try:
        told = msgspec.json.decode(answer.data, type=dict[str, Any])
    except msgspec.DecodeError as error:
        raise StoreLost("an answer that cannot be read") from error
    return told


def _lines(raw: bytes) -> dict[str, str]:
    """Return the headers in `raw`, whose first line is the protocol's version."""
    lines = raw.decode("utf-8", "replace").split("\r\n")[1:]
    pairs = (line.partition(":") for line in lines if line)
    return {name.strip(): value.strip() for name, _, value in pairs}
