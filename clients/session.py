"""An account's session, kept up through lost connections: what both clients have in common."""

import asyncio
from collections.abc import Sequence
from itertools import count
from types import TracebackType
from typing import ClassVar, Self, Unpack, cast

from msgspec import UNSET

from clients.address import Address, BadAddress, addresses
from clients.backoff import Backoff
from clients.errors import (
    PASSING,
    BrokerNotTrusted,
    NoBroker,
    RequestRefused,
    SessionEnded,
    TurnedAway,
)
from clients.heartbeat import until_lost, within
from clients.link import Link, open_link
from clients.options import Options, call, check
from clients.questions import Questions, Then, Unanswered
from clients.sign_in import SignIn, WhenMissing, not_signed_in
from clients.states import Phase, State
from clients.trust import tls_context
from protocol.incoming import Delivered, Notice, Reply, Succeeded
from protocol.names import Role
from protocol.reasons import Reason
from protocol.replies import Limits
from protocol.requests import (
    AnyRequest,
    Connect,
    Create,
)

# What a broker says when it ends a session that is not to be begun again by itself.
_FOR_GOOD = (Reason.TAKEN_OVER, Reason.ACCOUNT_DELETED)

# A sign-in that was given up may be carried out so long after, by a broker that waited for its
# store, and takes over from the session that was begun at another one instead.
_GIVEN_UP_S = 60.0


class Session:
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
            BadAddress: `brokers` names no address.
            UnusableCA: `ca` cannot be used.
        """
        self.email = email
        self.state = State(Phase.OFFLINE)
        self.limits: Limits | None = None  # what the broker takes, once signed in
        self.user_type = ""  # "publisher" or "subscriber", once signed in
        check(options)
        self._brokers = addresses(brokers) if isinstance(brokers, str) else [*brokers]
        if not self._brokers:
            raise BadAddress("there has to be at least one address, HOST:PORT")
        self._create: WhenMissing = options.get("create", False)
        self._on_state = options.get("on_state")
        self._backoff = options.get("backoff", Backoff())
        self._timeout_s = options.get("timeout_s", 10.0)
        self._heartbeat_s = options.get("heartbeat_s", 10.0)
        self._tls = tls_context(tls=options.get("tls", False), ca=options.get("ca"))
        self._link: Link | None = None  # the newest connection
        self._session: Link | None = None  # the same, while it is signed in
        self._live: asyncio.Future[Link] | None = None
        self._ended: SessionEnded | None = None
        self._given_up_at = float("-inf")  # a sign-in that had no answer, on the loop's clock
        self._opened = False
        self._closed = False
        self._retry = asyncio.Event()
        self._staying: asyncio.Task[None] | None = None
        self._numbers = count(1)
        self._questions = Questions(self._throttle)
        self._sign_in = SignIn(
            self._questions, self._sign_in_request, self._create_request, options.get("password")
        )

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
            if error is None and not self._closed:
                await self._finish()
        finally:
            await self.close()

    async def open(self) -> None:
        """Connect and sign in. After a failure `open` may be called again.

        Raises:
            NoBroker: none was reached.
            BrokerNotTrusted: none was, and something else answered.
            AccountNotFound: there is no such account and `create` was not asked for.
            RequestRefused: the account is not let in.
            SessionEnded: the client has been closed.
        """
        if self._ended is not None:
            raise self._ended.with_traceback(None)
        if self._opened:
            raise RuntimeError("the client is open already")
        self._opened = True
        try:
            link = await self._connect(0, create=self._create)
        except BaseException:
            self._opened = False
            if self._ended is None:
                self._tell(State(Phase.OFFLINE))
            raise
        self._staying = asyncio.get_running_loop().create_task(self._stay_connected(link))
        self._staying.add_done_callback(self._staying_ended)

    async def close(self) -> None:
        """End the session. What was not answered by now may be carried out or not."""
        self._closed = True
        self._end(Phase.CLOSED, "the client has been closed")
        if self._staying is not None:
            self._staying.cancel()
        if self._link is not None:
            await self._link.close()
        if self._staying is not None:
            await asyncio.wait([self._staying])

    def retry_now(self) -> None:
        """While reconnecting, try again at once."""
        self._retry.set()

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
        if not isinstance(topic := getattr(request, "topic_name", ""), str):
            raise TypeError(f"a topic is text, not {type(topic).__name__}")
        repeated = False
        while True:
            link = await self._live_link()
            self._flush()
            try:
                number = f"ask {next(self._numbers)}"
                return await self._questions.ask(link, request, number, then)
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
        self._check_usable()
        assert self._live is not None
        return await asyncio.shield(self._live)

    def _check_usable(self) -> None:
        if self._ended is not None:
            raise self._ended.with_traceback(None)  # it would grow with every time
        if self._live is None:
            raise SessionEnded("the client is not open; use it in `async with`, or call open()")

    def _takes(self, account: Succeeded) -> bool:
        """Return whether an account of this role may use this client."""
        return self.role is None or account.user_type == self.role

    def _session_begins(self, account: Succeeded) -> None:
        """The account is signed in anew; called before anything that comes after."""

    def _session_ends(self) -> None:
        """There will be no other session; `_ended` says why."""

    def _flush(self) -> None:
        """Send what is held back until the end of this turn of the event loop."""

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

    def noticed(self, notice: Notice) -> None:
        """Take what is told of a topic; only a subscriber is told anything."""

    def answered(self, reply: Reply) -> None:
        """Hand a reply to whoever asked."""
        self._questions.answered(reply)

    def _signed_in(self, account: Reply) -> None:
        assert isinstance(account, Succeeded)
        if UNSET in (account.user_type, account.subscriptions, account.limits):
            raise ValueError("the reply to the sign-in lacks something")
        if self._takes(account):
            self.limits = cast(Limits, account.limits)
            self.user_type = str(account.user_type)
            self._session = self._link
            self._session_begins(account)

    def lost(self) -> None:
        """Let requests wait for the next connection."""
        self._session = None
        self._questions.forget()
        if self._live is not None and self._live.done() and self._ended is None:
            self._live = asyncio.get_running_loop().create_future()

    # staying connected

    async def _connect(self, attempt: int, *, create: WhenMissing) -> Link:
        """Sign in at the first of the brokers that lets us in.

        Raises:
            NoBroker: none answered.
            BrokerNotTrusted: what did may not be one.
            RequestRefused: one did, and none let us in.
        """
        faults: list[str] = []
        passing: RequestRefused | None = None
        answered: NoBroker | None = None
        for address in self._brokers:
            try:
                return await self._connect_to(address, attempt, create=create)
            except (BrokerNotTrusted, TurnedAway) as error:
                answered = error
            except NoBroker as error:
                faults.append(str(error))
            except RequestRefused as refused:
                if refused.reason not in PASSING:
                    raise
                passing = refused
        raise (
            passing
            or answered
            or NoBroker(
                f"no broker answered ({'; '.join(faults)}); start one with `pubsub broker`, or"
                " name another with --connect HOST:PORT"
            )
        )

    async def _connect_to(self, address: Address, attempt: int, *, create: WhenMissing) -> Link:
        self._tell(State(Phase.CONNECTING, address, attempt=attempt))
        link = await open_link(address, self, self._timeout_s, self._tls)
        try:
            if self._ended is not None:
                raise self._ended  # closed meanwhile
            self._link = link
            self._tell(State(Phase.SIGNING_IN, address, attempt=attempt))
            async with asyncio.timeout(self._timeout_s):
                self._check_role(await self._sign_in.on(link, create, self._signed_in))
            if link.lost.done():
                raise Unanswered(link.lost.result())  # right after the reply
        except (TimeoutError, Unanswered) as error:
            link.abort("")
            why = not_signed_in(link, address, error, self._timeout_s)
            if isinstance(why, NoBroker):
                self._given_up_at = asyncio.get_running_loop().time()
            raise self._ended or why from error
        except BaseException:
            link.abort("")
            raise
        self._create = False
        self._live = self._live or asyncio.get_running_loop().create_future()
        self._live.set_result(link)
        self._tell(State(Phase.LIVE, address))
        return link

    def _check_role(self, reply: Reply) -> None:
        assert isinstance(reply, Succeeded)
        if not self._takes(reply):
            raise RequestRefused(
                Reason.WRONG_ROLE,
                f"{self.email} is a {reply.user_type}, and this takes a {self.role}'s account",
            )

    async def _stay_connected(self, link: Link) -> None:
        """Connect again whenever the connection is lost, until the session ends for good."""
        while True:
            why = await until_lost(link, self._heartbeat_s)
            notice = link.notice
            if notice is not None and notice.reason in _FOR_GOOD and not self._by_us(notice.reason):
                self._end(Phase.CLOSED, why)
                return
            try:
                link = await self._reconnect(why)
            except RequestRefused as refused:
                taken_over = refused.reason == Reason.TAKEN_OVER
                phase = Phase.CLOSED if taken_over else Phase.REFUSED
                # That it was changed tells more than that it is wrong now.
                changed = notice is not None and notice.reason == Reason.PASSWORD_CHANGED
                self._end(phase, why if changed else str(refused), refused.reason)
                return

    def _by_us(self, reason: str) -> bool:
        """Whether what took over may be a sign-in of our own that was given up: asked for once."""
        since_s = asyncio.get_running_loop().time() - self._given_up_at
        if reason == Reason.TAKEN_OVER:
            self._given_up_at = float("-inf")
        return reason == Reason.TAKEN_OVER and since_s < _GIVEN_UP_S

    async def _reconnect(self, why: str) -> Link:
        """Try until a broker lets us in again, or refuses us."""
        for attempt in count(1):
            pause_s = self._backoff.pause_s(attempt)
            retry_at = asyncio.get_running_loop().time() + pause_s
            self._retry.clear()
            self._tell(State(Phase.RECONNECTING, None, why, attempt, retry_at))
            await within(self._retry.wait(), pause_s)
            try:
                return await self._connect(attempt, create=False)
            except NoBroker as error:
                why = str(error)
            except RequestRefused as refused:
                if refused.reason not in PASSING and not self._by_us(refused.reason):
                    raise
                why = str(refused)
        raise AssertionError("counting ends never")

    def _staying_ended(self, task: asyncio.Task[None]) -> None:
        """Let nobody wait for ever where a fault of the library ended its task."""
        if not task.cancelled() and (error := task.exception()) is not None:
            self._end(Phase.CLOSED, f"the client library failed: {error!r}")
            raise error  # the event loop reports it

    def _end(self, phase: Phase, why: str, reason: str = "") -> None:
        """There will be no other session: tell everyone who waits for one. Once."""
        if self._ended is not None:
            return
        error = self._ended = SessionEnded(why, reason)
        if self._live is not None and not self._live.done():
            self._live.set_exception(error)
            self._live.exception()  # whoever waits sees it; nobody has to
        self._session_ends()
        self._tell(State(phase, None, why))

    def _tell(self, state: State) -> None:
        self.state = state
        if self._on_state is not None:
            call("on_state", self._on_state, state)
