"""One connection to the cluster: questions and answers, any number of them at a time.

The only module that knows nats-py, of which it takes the connection alone: who is connected
to, and what comes back. The answers to all questions arrive at one inbox, so a question costs
no subscription of its own.
"""

import asyncio
import logging
import secrets
import ssl
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from broker.store.errors import StoreLost, StoreUnusable
from broker.store.jetstream.address import Address
from broker.store.jetstream.faults import NoAnswer, NobodyAnswers

if TYPE_CHECKING:
    from nats.aio.client import Client
    from nats.aio.msg import Msg

CONNECT_TIMEOUT_S = 3
RECONNECT_S = 0.1
RESETS = 5
PING_S = 3  # a server that is silent for two of these is left
CLOSE_TIMEOUT_S = 5.0
AT_A_TIME = 256  # questions of one kind that are under way together

T = TypeVar("T")

_NO_RESPONDERS = "503"

_logger = logging.getLogger("pubsub.store")


@dataclass(frozen=True, slots=True)
class Answer:
    headers: dict[str, str]
    data: bytes

    @property
    def status(self) -> str:
        """The code of an answer that is only that, such as 404; else nothing."""
        return self.headers.get("Status", "")


class Connection:
    """A connection that is made anew by itself when it breaks.

    What had been asked on it then raises `StoreLost`: it may have happened or not, and may
    still happen, so everything that is written says what it expects to find. What is asked
    while there is none waits for it, up to `wait_s` seconds.
    """

    def __init__(self, address: Address, wait_s: float) -> None:
        self._address = address
        self._wait_s = wait_s
        self._up = asyncio.Event()
        self._client: Client | None = None
        self._inbox = ""
        self._asked: dict[str, asyncio.Future[Answer]] = {}
        self._last = 0  # of the numbers that tell questions apart
        self._listening: dict[str, Callable[[str | None], None]] = {}  # by subject
        self._closing = False
        self._reviving: asyncio.Task[None] | None = None
        self.denied: str | None = None  # what the server did not allow, in its words

    async def open(self) -> None:
        """Connect to one of the servers.

        Raises:
            StoreLost: none of them lets us in; why, is said.
            StoreUnusable: nats-py is not installed.
        """
        self._closing = False
        self._client = await self._connected()
        self._up.set()

    async def close(self) -> None:
        self._closing = True
        self._up.clear()
        if self._reviving is not None:
            self._reviving.cancel()
            await asyncio.gather(self._reviving, return_exceptions=True)
        client, self._client = self._client, None
        if client is not None:
            await _ended(client)
        self._fail_all("the connection is closed")

    @property
    def max_payload(self) -> int:
        """The largest message that the server takes."""
        return self._client.max_payload if self._client is not None else 0

    @property
    def jetstream(self) -> bool:
        """Whether the server that we are connected to has JetStream on."""
        return self._client is not None and bool(self._client._server_info.get("jetstream"))

    @property
    def clustered(self) -> bool:
        """Whether that server belongs to a cluster."""
        return self._client is not None and bool(self._client._server_info.get("cluster"))

    @property
    def server_version(self) -> str:
        """What the server that we are connected to says its version is."""
        return "" if self._client is None else str(self._client._server_info.get("version", ""))

    async def ask(
        self,
        subject: str,
        payload: bytes = b"",
        headers: dict[str, str] | None = None,
        timeout_s: float = 1.0,
    ) -> Answer:
        """Send `payload` to `subject` and return the answer.

        Raises:
            StoreLost: none came; `NobodyAnswers`: there is nobody to give one.
        """
        asked = await self._begin(subject, payload, headers)
        try:
            async with asyncio.timeout(timeout_s):
                answer = await asked
        except TimeoutError:
            raise NoAnswer from None
        if answer.status == _NO_RESPONDERS and not answer.data:
            raise NobodyAnswers("no server answers for what was asked")
        return answer

    async def tell(self, subject: str, payload: bytes) -> None:
        """Send `payload` to whoever listens, and ask for nothing."""
        await self._publish(subject, payload, "", None)

    def listen(self, subject: str, heard: Callable[[str | None], None]) -> None:
        """Have `heard` called with what is told to `subject`, and None where some was missed.

        Said before `open`.
        """
        self._listening[subject] = heard

    async def _begin(
        self, subject: str, payload: bytes, headers: dict[str, str] | None
    ) -> asyncio.Future[Answer]:
        self._last += 1
        number = str(self._last)
        asked: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._asked[number] = asked
        asked.add_done_callback(lambda _: self._asked.pop(number, None))
        try:
            await self._publish(subject, payload, f"{self._inbox}.{number}", headers)
        except BaseException:
            asked.cancel()
            raise
        return asked

    async def _publish(
        self, subject: str, payload: bytes, reply: str, headers: dict[str, str] | None
    ) -> None:
        import nats.errors

        if not self._up.is_set():
            await self._wait()
        assert self._client is not None
        try:
            await self._client.publish(subject, payload, reply, headers)
        except nats.errors.Error as error:
            raise StoreLost(_told(error) or "there is no connection") from error

    async def _wait(self) -> None:
        """Return when there is a connection again."""
        try:
            async with asyncio.timeout(0 if self._closing else self._wait_s):
                await self._up.wait()
        except TimeoutError:
            raise StoreLost("there is no connection") from None

    # the connection itself

    async def _connected(self) -> "Client":
        """Return a client that is connected, its inbox and what is listened to included."""
        try:
            from nats.aio.client import Client
        except ImportError as error:
            raise StoreUnusable(
                "A store on NATS takes the package nats-py, which is not installed. Install it"
                " with: pip install 'pubsub-suite[nats]'."
            ) from error
        client = Client()
        failures = _Failures(len(self._address.servers), self._denied)
        await _unless_failed(self._connect(client, failures), failures, client)
        failures.connected = True
        self._inbox = f"_INBOX.{secrets.token_hex(11)}"
        await client.subscribe(
            f"{self._inbox}.*", cb=self._answered, pending_msgs_limit=0, pending_bytes_limit=0
        )
        for subject in self._listening:
            await client.subscribe(subject, cb=self._heard)
        return client

    async def _connect(self, client: "Client", failures: "_Failures") -> None:
        address = self._address
        login: dict[str, str] = {}
        if address.user is not None and address.password is not None:
            login = {"user": address.user, "password": address.password}
        elif address.user is not None:
            login = {"token": address.user}
        await client.connect(
            [f"{'tls' if address.tls else 'nats'}://{server}" for server in address.servers],
            name="pubsub broker",
            error_cb=failures.add,
            disconnected_cb=self._disconnected,
            reconnected_cb=self._reconnected,
            closed_cb=self._closed,
            connect_timeout=CONNECT_TIMEOUT_S,
            reconnect_time_wait=RECONNECT_S,  # type: ignore[arg-type]  # any number of seconds
            max_reconnect_attempts=-1,
            ping_interval=PING_S,
            pending_size=0,  # nothing is kept to be sent later: whoever asks is told at once
            tls=ssl.create_default_context() if address.tls else None,
            **login,  # type: ignore[arg-type]  # mypy takes them for any of the keywords
        )

    async def _answered(self, message: "Msg") -> None:
        asked = self._asked.get(message.subject.rpartition(".")[2])
        if asked is not None and not asked.done():
            asked.set_result(Answer(message.headers or {}, message.data))

    async def _heard(self, message: "Msg") -> None:
        with suppress(UnicodeDecodeError):
            self._listening[message.subject](message.data.decode())

    async def _disconnected(self) -> None:
        self._up.clear()
        if not self._closing:
            _logger.warning("the connection to NATS at %s broke", self._address)
        self._fail_all("the connection broke")

    async def _reconnected(self) -> None:
        self._up.set()
        _logger.info("connected to NATS again")
        for heard in self._listening.values():
            heard(None)

    async def _closed(self) -> None:
        """The client has given up, as it does when a server does not let it in any more."""
        if not self._closing and self._client is not None and self._reviving is None:
            self._reviving = asyncio.get_running_loop().create_task(self._revive())

    async def _revive(self) -> None:
        while True:
            self._fail_all("the connection was refused")
            try:
                self._client = await self._connected()
                break
            except StoreLost:
                await asyncio.sleep(1.0)
        self._reviving = None
        await self._reconnected()

    def _denied(self, what: str) -> None:
        self.denied = what
        _logger.warning("NATS at %s refuses: %s", self._address, what)

    def _fail_all(self, why: str) -> None:
        for asked in [*self._asked.values()]:
            if not asked.done():
                asked.set_exception(StoreLost(why))
                asked.exception()  # nobody may be waiting any more


class _Failures:
    """Counts what goes wrong while connecting: when every server has failed, that is enough.

    One that closes the connection is asked a few times more: it may have said why, such as a
    wrong password, and the end of the connection has come before its words.
    """

    def __init__(self, servers: int, denied: Callable[[str], None]) -> None:
        self._left = servers
        self._resets = RESETS * servers
        self._denied = denied
        self.enough = asyncio.Event()
        self.last: Exception | None = None
        self.connected = False

    async def add(self, error: Exception) -> None:
        if self.connected:
            if "ermissions" in str(error):
                self._denied(_told(error))
            return
        if isinstance(error, ConnectionResetError) and self._resets > 0:
            self._resets -= 1
            return
        self.last = error
        self._left -= 1
        if self._left <= 0:
            self.enough.set()


async def _unless_failed(
    connecting: Awaitable[None], failures: _Failures, client: "Client"
) -> None:
    """Wait until `connecting` is done; raise once every server has failed."""
    task, failed = asyncio.ensure_future(connecting), asyncio.ensure_future(failures.enough.wait())
    try:
        await asyncio.wait({task, failed}, return_when=asyncio.FIRST_COMPLETED)
        if task.done() and task.exception() is None:
            return
        error = task.exception() if task.done() else failures.last
        raise StoreLost(_told(error) or "no server answers") from error
    finally:
        failed.cancel()
        if not task.done():
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            await _ended(client)


async def _ended(client: "Client") -> None:
    with suppress(Exception):
        async with asyncio.timeout(CLOSE_TIMEOUT_S):
            await client.close()


def _told(error: BaseException | None) -> str:
    """Return what the error says, on one line, without the client's own "nats: "."""
    text = " ".join(str(error or "").split()).strip("'\"").rstrip(".")
    return text.removeprefix("nats: ").strip("'\"")


async def all_of(asking: Sequence[Callable[[], Awaitable[T]]]) -> list[T]:
    """Ask everything, `AT_A_TIME` of them at a time, and return the answers in order.

    The first failure is raised once those that are under way are done.
    """
    answers: list[T] = []
    for start in range(0, len(asking), AT_A_TIME):
        some = [ask() for ask in asking[start : start + AT_A_TIME]]
        for result in await asyncio.gather(*some, return_exceptions=True):
            if isinstance(result, BaseException):
                raise result
            answers.append(result)
    return answers
