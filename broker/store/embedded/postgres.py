"""PostgreSQL out of a data directory: nothing to install, nothing to set up."""

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack
from pathlib import Path

from broker.store.embedded.account import choose_account
from broker.store.embedded.child import to_the_end
from broker.store.embedded.cluster import check_release, make_cluster
from broker.store.embedded.database import Address
from broker.store.embedded.folder import Folder, usable
from broker.store.embedded.host import Host
from broker.store.embedded.lock import Lock
from broker.store.embedded.server import Server
from broker.store.embedded.serverlog import ServerLog
from broker.store.embedded.sockets import SocketFolder

_LOCK_PATIENCE_S = 30.0


class EmbeddedPostgres:
    """One PostgreSQL server on one data directory, as a child of this process.

    It listens on no network and on no socket that another user of the machine can open.
    When it ends by itself it is started again and `on_restart` is called, on the event
    loop, once it accepts connections; connections from before are lost then. When this
    process is killed, PostgreSQL stops (on Linux), and the next start finds what it left.
    """

    def __init__(
        self,
        data_dir: Path,
        *,
        on_restart: Callable[[], None] | None = None,
        host: Host | None = None,
    ) -> None:
        self._folder = Folder(data_dir)
        self._on_restart = on_restart
        self._host = host or Host()
        self._changing = asyncio.Lock()  # `start` and `stop` take turns
        self._server: Server | None = None
        self._to_give_back: AsyncExitStack | None = None  # what `stop` undoes, while started

    @property
    def address(self) -> Address:
        """Where the database is. Only after `start`."""
        if self._server is None:
            raise RuntimeError("the embedded PostgreSQL has no address before it is started")
        return self._server.address

    @property
    def pid(self) -> int | None:
        """The pid of the server, or None while there is none."""
        return None if self._server is None else self._server.pid

    async def start(self) -> Address:
        """Start the server and return its address; it accepts connections then.

        Makes the data directory and the database where they are missing. Waits while the
        server recovers from a crash. Where nothing may be used, nothing is changed. A
        failure or a cancel leaves nothing running and the data directory unlocked. Does
        nothing when it is already started.

        Raises:
            StoreUnusable: the data directory or PostgreSQL cannot be used; says what to do.
        """
        async with self._changing:
            if self._to_give_back is None:
                with usable(self._folder):
                    async with AsyncExitStack() as stack:
                        self._server = await self._bring_up(stack)
                        self._to_give_back = stack.pop_all()
        return self.address

    async def stop(self) -> None:
        """Stop the server and unlock the data directory; nothing of it is left running.

        Goes on to its end though cancelled. Harmless when repeated, or never started.
        """
        async with self._changing:
            stack, self._to_give_back = self._to_give_back, None
            if stack is not None:
                await to_the_end(stack.aclose())

    async def _bring_up(self, stack: AsyncExitStack) -> Server:
        # First what only looks,
        folder, limits = self._folder, self._host.stop_limits
        folder.inspect()
        binaries = self._host.find_binaries()
        check_release(folder, binaries)
        account = choose_account(
            folder.path, folder.cluster, binaries.postgres, namespaces=self._host.namespaces
        )

        # then what changes something, each with what undoes it.
        folder.make(account)
        lock = Lock(folder.lock)
        await lock.acquire(account, patience_s=_LOCK_PATIENCE_S)
        stack.callback(lock.release)
        log = ServerLog(folder.log)
        await make_cluster(folder, binaries, account, log, lock)
        sockets = SocketFolder(folder.socket)
        sockets.make(account)
        stack.callback(sockets.remove)
        server = Server(
            folder,
            binaries,
            account,
            sockets,
            log,
            stop_limits=limits,
            on_restart=self._on_restart,
        )
        await server.start()
        stack.push_async_callback(server.stop)
        return server
