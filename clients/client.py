"""An account's session, kept up through lost connections: what both clients have in common."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from itertools import count
from types import TracebackType
from typing import Any, ClassVar, Self, TypedDict, Unpack

from clients.address import Address, addresses
from clients.backoff import Backoff
from clients.errors import PASSING, AccountNotFound, NoBroker, RequestRefused, SessionEnded, refusal
from clients.link import Link, open_link
from clients.states import Phase, State
from clients.values import Confirmations, Message, TopicState, messages_of
from protocol.incoming import Delivered, HistoryBlocks, Reply, Succeeded
from protocol.names import Role
from protocol.reasons import Reason
from protocol.replies import Error, Limits, ReceiptCount, Topics
from protocol.requests import (
    AnyRequest,
    Connect,
    Create,
    History,
    ListTopics,
    Ping,
    Receipts,
    encode,
)

SIGN_IN = "sign in"  # the id of the request that signs in

StateWatcher = Callable[[State], None]
Then = Callable[[Reply], None]


class Unanswered(Exception):
    """The connection ended before the reply came. Kept inside the library."""


class Options(TypedDict, total=False):
    """How a client connects.

    `create` makes the account if there is none. `timeout_s` (10) bounds one try to connect,
    and one to sign in. A broker that is silent for two `heartbeat_s` (10) is given up.
    `on_state` is called at every change of `state`, inside the event loop; it must not raise.
    """

    create: bool
    on_state: StateWatcher | None
    backoff: Backoff
    timeout_s: float
    heartbeat_s: float


class Client:
    """A signed-in account, as an asynchronous context manager.

    The first connection is made, or fails, in `open`. After that the client connects again by
    itself, with growing pauses and to whichever of its brokers answers, until it is closed,
    taken over by a newer session or not let in any more. Requests wait meanwhile; cancelling
    the wait for one does not take back what was sent.
    """

    role: ClassVar[Role | None]  # of the accounts it takes; None takes any

    def __init__(
        self, brokers: str | Sequence[Address], email: str, **options: Unpack[Options]
    ) -> None:
        """Prepare a session of `email` with a broker at one of `brokers` ("HOST:PORT,...").

        Raises:
            BadAddress: `brokers` is text that names no address.
        """
        self.email = email
        self.state = State(Phase.OFFLINE)
        self.limits: Limits | None = None  # what the broker takes, once signed in
        self.user_type = ""  # "publisher" or "subscriber", once signed in
        self._brokers = addresses(brokers) if isinstance(brokers, str) else [*brokers]
        self._create = options.get("create", False)
        self._on_state = options.get("on_state")
        self._backoff = options.get("backoff", Backoff())
        self._timeout_s = options.get("timeout_s", 10.0)
        self._heartbeat_s = options.get("heartbeat_s", 10.0)
        self._link: Link | None = None  # the newest connection
        self._session: Link | None = None  # the same, while it is signed in
        self._live: asyncio.Future[Link] | None = None
        self._ended: SessionEnded | None = None
        self._closed = False
        self._retry = asyncio.Event()
        self._staying: asyncio.Task[None] | None = None
        self._numbers = count(1)
        self._asked: dict[str, tuple[asyncio.Future[Reply], Then | None]] = {}

    async def __aenter__(self) -> Self:
        await self.open()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        try:
            if error is None:
                await self._finish()
        finally:
            await self.close()

    async def open(self) -> None:
        """Connect and sign in. After a failure `open` may be called again.

        Raises:
            NoBroker: none was reached.
            AccountNotFound: there is no such account and `create` was not asked for.
            RequestRefused: the account is not let in.
        """
        try:
            link = await self._connect(0, create=self._create)
        except BaseException:
            self._link = None
            self._tell(State(Phase.OFFLINE))
            raise
        self._staying = asyncio.get_running_loop().create_task(self._stay_connected(link))
        self._staying.add_done_callback(self._staying_ended)

    async def close(self) -> None:
        """End the session. What was not answered by now may be carried out or not."""
        self._closed = True
        self._end(Phase.CLOSED, SessionEnded("the client has been closed"))
        if self._staying is not None:
            self._staying.cancel()
            await asyncio.wait([self._staying])
        if self._link is not None:
            await self._link.close()

    def retry_now(self) -> None:
        """While reconnecting, try again at once."""
        self._retry.set()

    # what every account may ask

    async def topics(self) -> list[TopicState]:
        """Return all topics, oldest first."""
        reply = await self._ask(ListTopics())
        assert isinstance(reply, Topics)
        return reply.details

    async def history(
        self, topic: str, *, after: int | None = None, before: int | None = None, limit: int = 100
    ) -> list[Message]:
        """Return up to `limit` messages right after or right before a seq, oldest first.

        Moves no cursor. Fewer come where more would not fit into a line.

        Raises:
            TopicNotFound: there is no such topic.
        """
        request = History(topic_name=topic, limit=limit)
        if after is not None:
            request.after = after
        if before is not None:
            request.before = before
        reply = await self._ask(request)
        assert isinstance(reply, HistoryBlocks)
        return [one for block in reply.blocks for one in messages_of(block, unread=False)]

    async def confirmations(self, topic: str, seq: int) -> Confirmations:
        """Return how many of the topic's subscriptions have processed message `seq`.

        Raises:
            TopicNotFound: there is no such topic.
        """
        reply = await self._ask(Receipts(topic_name=topic, seq=seq))
        assert isinstance(reply, ReceiptCount)
        return Confirmations(topic, seq, reply.confirmed, reply.subscriptions)

    # for the two clients

    async def _ask(
        self, request: AnyRequest, *, then: Then | None = None, done_if: Reason | None = None
    ) -> Reply | None:
        """Ask, again after every lost connection, and return the reply.

        `then` is called with it before anything that came after it is looked at. When a
        repeat is refused for `done_if`, the first asking was carried out: that gives None.

        Raises:
            RequestRefused: it was not carried out.
            SessionEnded: the client has been closed, or is not let in any more.
        """
        repeated = False
        while True:
            link = await self._live_link()
            try:
                return await self._ask_on(link, request, then=then)
            except RequestRefused as refused:
                if refused.reason == Reason.STOPPING:
                    await asyncio.wait([link.lost])
                elif not (repeated and refused.reason == done_if):
                    raise
                else:
                    return None
            except Unanswered:
                repeated = True

    async def _live_link(self) -> Link:
        """Return the connection, once it is signed in."""
        if self._ended is not None:
            raise self._ended
        if self._live is None:
            raise SessionEnded("the client is not open; use it in `async with`, or call open()")
        return await asyncio.shield(self._live)

    async def _ask_on(
        self, link: Link, request: AnyRequest, number: str = "", then: Then | None = None
    ) -> Reply:
        number = request.id = number or f"ask {next(self._numbers)}"
        future: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
        self._asked[number] = future, then
        link.write(encode(request))
        self._throttle()
        either: list[asyncio.Future[Any]] = [future, link.lost]
        try:
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
            if not future.done():
                raise Unanswered(link.lost.result())
            return future.result()
        finally:
            self._asked.pop(number, None)
            self._throttle()

    def _takes(self, account: Succeeded) -> bool:
        """Return whether an account of this role may use this client."""
        return self.role is None or account.user_type == self.role

    def _session_begins(self, account: Succeeded) -> None:
        """The account is signed in anew; called before anything that comes after."""

    def _session_ends(self, error: SessionEnded) -> None:
        """There will be no other session."""

    def _throttle(self) -> None:
        """Read on, or not."""

    async def _finish(self) -> None:
        """Do what is left to do before a client that is not needed any more is closed."""

    def _sign_in_request(self) -> Connect:
        return Connect(user_email=self.email, version=2)

    def _create_request(self) -> Create:
        assert self.role is not None
        return Create(user_email=self.email, user_type=self.role.value, version=2)

    # what the link tells

    def delivered(self, block: Delivered, size: int) -> None:
        """Take a delivered block; only a subscriber gets any."""

    def answered(self, reply: Reply) -> None:
        """Hand a reply to whoever asked."""
        if reply.id == SIGN_IN and isinstance(reply, Succeeded) and self._takes(reply):
            self._session = self._link
            self._session_begins(reply)
        future, then = self._asked.get(str(reply.id), (None, None))
        if future is None or future.done():
            return
        if isinstance(reply, Error):
            future.set_exception(refusal(reply))
            return
        if then is not None:
            then(reply)
        future.set_result(reply)

    def lost(self) -> None:
        """Let requests wait for the next connection."""
        self._session = None
        if self._live is not None and self._live.done() and self._ended is None:
            self._live = asyncio.get_running_loop().create_future()

    # staying connected

    async def _connect(self, attempt: int, *, create: bool) -> Link:
        """Make one try at all brokers, and sign in at the one that answers."""
        link, address = await open_link(
            self._brokers,
            self,
            self._timeout_s,
            lambda address: self._tell(State(Phase.CONNECTING, address, attempt=attempt)),
        )
        self._link = link
        self._tell(State(Phase.SIGNING_IN, address, attempt=attempt))
        try:
            async with asyncio.timeout(self._timeout_s):
                account = await self._sign_in(link, create=create)
        except (TimeoutError, Unanswered) as error:
            link.abort("")
            fault = str(error) or f"did not let us sign in within {self._timeout_s:g} s"
            raise NoBroker(f"the broker at {address}: {fault}") from error
        except BaseException:
            link.abort("")
            raise
        self._create = False
        assert isinstance(account.limits, Limits)
        self.limits, self.user_type = account.limits, str(account.user_type)
        self._live = self._live or asyncio.get_running_loop().create_future()
        self._live.set_result(link)
        self._tell(State(Phase.LIVE, address))
        return link

    async def _sign_in(self, link: Link, *, create: bool) -> Succeeded:
        try:
            account = await self._ask_on(link, self._sign_in_request(), SIGN_IN)
        except AccountNotFound:
            if not create:
                raise
            account = await self._ask_on(link, self._create_request(), SIGN_IN)
        assert isinstance(account, Succeeded)
        if not self._takes(account):
            raise RequestRefused(
                Reason.WRONG_ROLE,
                f"{self.email} is a {account.user_type}, and this takes a {self.role}'s account",
            )
        return account

    async def _stay_connected(self, link: Link) -> None:
        """Connect again whenever the connection is lost, until the session ends for good."""
        while True:
            why = await self._until_lost(link)
            notice = link.notice
            if notice is not None and notice.reason == Reason.TAKEN_OVER:
                self._end(Phase.CLOSED, SessionEnded(why))
                return
            try:
                link = await self._reconnect(why)
            except RequestRefused as refused:
                self._end(Phase.REFUSED, SessionEnded(str(refused)))
                return

    async def _reconnect(self, why: str) -> Link:
        """Try until a broker lets us in again, or refuses us."""
        for attempt in count(1):
            pause_s = self._backoff.pause_s(attempt)
            retry_at = asyncio.get_running_loop().time() + pause_s
            self._tell(State(Phase.RECONNECTING, None, why, attempt, retry_at))
            self._retry.clear()
            await _within(self._retry.wait(), pause_s)
            try:
                return await self._connect(attempt, create=False)
            except NoBroker as error:
                why = str(error)
            except RequestRefused as refused:
                if refused.reason not in PASSING:
                    raise
                why = str(refused)
        raise AssertionError("counting ends never")

    async def _until_lost(self, link: Link) -> str:
        """Return why the connection ended; end it when the other side has fallen silent."""
        heard, asked = -1, False
        while not await _within(asyncio.wait([link.lost]), self._heartbeat_s):
            if link.heard == heard and asked and not link.paused:
                link.abort(f"the broker has not answered for {2 * self._heartbeat_s:g} s")
                await asyncio.wait([link.lost])
                break
            heard, asked = link.heard, not link.paused
            if asked:
                link.write(encode(Ping(id="heartbeat")))
        return link.lost.result()

    def _staying_ended(self, task: asyncio.Task[None]) -> None:
        """Let nobody wait for ever where a fault of the library ended its task."""
        if not task.cancelled() and (error := task.exception()) is not None:
            self._end(Phase.CLOSED, SessionEnded(f"the client library failed: {error!r}"))
            raise error  # the event loop reports it

    def _end(self, phase: Phase, error: SessionEnded) -> None:
        """There will be no other session: tell everyone who waits for one. Once."""
        if self._ended is not None:
            return
        self._ended = error
        if self._live is not None and not self._live.done():
            self._live.set_exception(error)
            self._live.exception()  # whoever waits sees it; nobody has to
        self._session_ends(error)
        self._tell(State(phase, None, str(error)))

    def _tell(self, state: State) -> None:
        self.state = state
        if self._on_state is not None:
            self._on_state(state)


async def _within(work: Awaitable[object], limit_s: float) -> bool:
    """Wait for `work`, but not longer than `limit_s`; return whether it is done."""
    try:
        async with asyncio.timeout(limit_s):
            await work
    except TimeoutError:
        return False
    return True
