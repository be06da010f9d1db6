"""The PostgreSQL server of one cluster: brought up, watched, brought up again, stopped."""

import asyncio
import logging
import signal
from collections.abc import Callable
from time import monotonic

import asyncpg

from broker.store.embedded.account import Account
from broker.store.embedded.child import Child, StopLimits, stop_process, to_the_end
from broker.store.embedded.database import Address, make_database
from broker.store.embedded.folder import Folder
from broker.store.embedded.host import Binaries
from broker.store.embedded.leftover import clear_the_way
from broker.store.embedded.serverlog import ServerLog
from broker.store.embedded.sockets import PORT, SocketFolder
from broker.store.errors import StoreUnusable

logger = logging.getLogger("pubsub.store")

# Given on the command line, so that no file in the cluster can weaken them.
OPTIONS = {
    # What a success promises: it is on disk.
    "fsync": "on",
    "full_page_writes": "on",
    "synchronous_commit": "on",
    "wal_level": "replica",  # pg_basebackup works
    # Nobody but the owner of the socket's folder.
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    # Few connections that append a lot: rare checkpoints, no compiling of short queries.
    "max_connections": "120",
    "max_wal_size": "4GB",
    "checkpoint_timeout": "15min",
    "jit": "off",
    # A statement whose arrays are empty now and then looks cheaper each time it is planned anew.
    "plan_cache_mode": "force_generic_plan",
    "autovacuum": "on",
    "restart_after_crash": "on",
    # The log goes where the child's output goes, and never quotes what users wrote.
    "log_destination": "stderr",
    "logging_collector": "off",
    "log_statement": "none",
    "log_min_messages": "warning",
    "log_min_error_statement": "panic",
}

_READY_POLL_S = (0.004, 0.1)  # at first, and while it recovers from a crash
_PROGRESS_S = 5.0  # how often a person is told that a recovery goes on
_BACK_OFF_S = (0.1, 5.0)
_STABLE_S = 10.0  # a server that lived so long is brought up again at once
# Backends end when they find their server gone, at the latest after the statement they are at.
_ORPHANS_LIMIT_S = 30.0
_ORPHANS_SIGNS = ("pre-existing shared memory block", "already exists")


class ServerEnded(StoreUnusable):
    """The server ended before it accepted connections."""


class Server:
    """At most one postmaster at a time, on a cluster that is there and locked by us.

    From `start` to `stop` it is brought up again whenever it ends, with growing pauses,
    for as long as that takes.
    """

    def __init__(
        self,
        folder: Folder,
        binaries: Binaries,
        account: Account,
        sockets: SocketFolder,
        log: ServerLog,
        *,
        stop_limits: StopLimits,
        on_restart: Callable[[], None] | None,
    ) -> None:
        self._folder = folder
        self._binaries = binaries
        self._account = account
        self._sockets = sockets
        self._log = log
        self._stop_limits = stop_limits
        self._on_restart = on_restart
        self._child: Child | None = None
        self._watch: asyncio.Task[None] | None = None
        self._pause_s = 0.0  # before the next time it is brought up again
        self.address = Address(str(sockets.path), PORT, "postgres", "pubsub")

    @property
    def pid(self) -> int | None:
        return self._child.pid if self._child is not None and self._child.alive else None

    async def start(self) -> None:
        """Bring the server up; on return it accepts connections and is watched.

        A recovery after a crash is waited for, however long. A failure or a cancel leaves
        nothing running.

        Raises:
            StoreUnusable: it cannot run; the text quotes it.
        """
        child = await self._come_up_after_orphans()
        self._watch = asyncio.create_task(self._keep_up(child), name="watch PostgreSQL")

    async def stop(self) -> None:
        """Stop watching, then the server; on return it has ended. Harmless when repeated."""
        watch, self._watch = self._watch, None
        if watch is not None:
            watch.cancel()
            await asyncio.wait({watch})
        await self._stop_child()
        if watch is not None and not watch.cancelled():
            watch.result()

    async def _stop_child(self) -> None:
        if self._child is not None and self._child.alive:
            await stop_process(self._child, self._stop_limits)

    async def _come_up_after_orphans(self) -> Child:
        """Bring the server up once the backends of a killed one have let go of the data."""
        deadline = monotonic() + _ORPHANS_LIMIT_S
        while True:
            try:
                return await self._come_up()
            except ServerEnded:
                if monotonic() > deadline or not any(map(self._log.said, _ORPHANS_SIGNS)):
                    raise
            await asyncio.sleep(_BACK_OFF_S[0])

    async def _come_up(self) -> Child:
        await clear_the_way(self._folder.cluster, self._stop_limits)
        self._sockets.clear()
        self._child = child = self._launch()
        try:
            await self._ready(child)
            await self._accepting(child)
        except BaseException:
            await to_the_end(self._stop_child())
            raise
        return child

    def _launch(self) -> Child:
        # The folder stands in quotes because the option takes a list of them.
        folder = str(self._sockets.path).replace('"', '""')
        options = OPTIONS | {"unix_socket_directories": f'"{folder}"', "port": str(PORT)}
        arguments = ["-D", str(self._folder.cluster)]
        for name, value in options.items():
            arguments += ["-c", f"{name}={value}"]
        with self._log.opened(self._account) as output:
            return Child(
                self._binaries.postgres,
                arguments,
                account=self._account,
                folder=self._folder.path,
                output=output,
                death_signal=signal.SIGINT,  # fast shutdown
            )

    async def _ready(self, child: Child) -> None:
        """Wait until the server says in its notice that it is ready."""
        pause_s, longest_s = _READY_POLL_S
        next_word = monotonic() + _PROGRESS_S
        while not self._says_ready(child):
            if await child.ended_within(pause_s):
                raise self._ended(child)
            pause_s = min(pause_s * 1.2, longest_s)
            if monotonic() > next_word:
                logger.info("PostgreSQL is recovering from a crash: %s", self._log.last_words())
                next_word += _PROGRESS_S

    def _says_ready(self, child: Child) -> bool:
        try:
            lines = (self._folder.cluster / "postmaster.pid").read_bytes().splitlines()
        except FileNotFoundError:
            return False
        # The status is the eighth line, and the first still may be an earlier server's pid.
        return len(lines) >= 8 and int(lines[0]) == child.pid and lines[7].strip() == b"ready"

    async def _accepting(self, child: Child) -> None:
        """Wait until a connection to the database succeeds; make it where it is missing."""
        while True:
            try:
                await make_database(self.address)
                return
            except (OSError, asyncpg.PostgresConnectionError, asyncpg.CannotConnectNowError):
                if await child.ended_within(_READY_POLL_S[1]):
                    raise self._ended(child) from None
            except asyncpg.PostgresError as error:
                raise StoreUnusable(
                    f"PostgreSQL runs in {self._folder.path} but refuses its database: {error}. "
                    f"Mend that and start again; {self._log.path} may have more"
                ) from error

    def _ended(self, child: Child) -> ServerEnded:
        return ServerEnded(
            f"PostgreSQL ended with {child.exit_status} instead of starting in "
            f"{self._folder.path}: {self._log.last_words()}. "
            f"Mend that and start again; {self._log.path} has all it said"
        )

    async def _keep_up(self, child: Child) -> None:
        """Bring the server up again each time it ends, until cancelled."""
        while True:
            since = monotonic()
            await child.wait()
            logger.error("PostgreSQL (pid %d) ended with %s", child.pid, child.exit_status)
            if monotonic() - since > _STABLE_S:
                self._pause_s = 0.0
            child = await self._come_up_again()
            logger.warning("PostgreSQL accepts connections again (pid %d)", child.pid)
            if self._on_restart is not None:
                # Not called from here: an error in it must not end the watch.
                asyncio.get_running_loop().call_soon(self._on_restart)

    async def _come_up_again(self) -> Child:
        shortest_s, longest_s = _BACK_OFF_S
        while True:
            await asyncio.sleep(self._pause_s)
            self._pause_s = min(max(shortest_s, self._pause_s * 2), longest_s)
            try:
                return await self._come_up()
            except (StoreUnusable, OSError) as error:
                logger.error("%s; the next try is in %.1f s", error, self._pause_s)
