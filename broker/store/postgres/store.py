"""The store on a PostgreSQL server, or on the embedded one."""

import asyncio
import logging
import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import asyncpg

from broker.store.embedded import EmbeddedPostgres
from broker.store.embedded.folder import Folder
from broker.store.errors import StoreLost, StoreRefused, StoreUnusable
from broker.store.interface import (
    Account,
    Batch,
    Commit,
    Credentials,
    CursorMove,
    ProducerMark,
    StoredBlock,
    SubscriptionRecord,
    TopicRecord,
    TopicSummary,
)
from broker.store.postgres.catalogue import Catalogue
from broker.store.postgres.connections import CONNECT_TIMEOUT_S, Connections, ended
from broker.store.postgres.faults import told, translated
from broker.store.postgres.journal import Journal
from broker.store.postgres.log import LOCK_ALONE, UNLOCK_ALONE, BlockWriter
from broker.store.postgres.lone import LoneWriter
from broker.store.postgres.mover import Mover
from broker.store.postgres.news import NewsChannel
from broker.store.postgres.reader import BlockReader
from broker.store.postgres.removal import Remover
from broker.store.postgres.schema import is_old, migrate
from broker.store.postgres.sessions import Sessions
from protocol.names import Role

OLDEST_SERVER = 15

# A broker that was killed in the middle of a commit keeps the database until that is over.
LOCK_WAIT_S = 10.0
POLL_S = 0.05

_logger = logging.getLogger("pubsub.store")

# Without these an acknowledged publish may be gone after a power cut.
_DURABLE = ("fsync", "full_page_writes", "synchronous_commit")

# What a broker does with each table. A table that is missing makes the question fail.
_LACKING = """
SELECT string_agg(verb || ' on ' || place, ', ')
FROM (VALUES
    ('accounts', 'SELECT'), ('accounts', 'INSERT'),
    ('accounts', 'UPDATE'), ('accounts', 'DELETE'),
    ('topics', 'SELECT'), ('topics', 'INSERT'), ('topics', 'UPDATE'), ('topics', 'DELETE'),
    ('blocks', 'SELECT'), ('blocks', 'INSERT'), ('blocks', 'DELETE'),
    ('subscriptions', 'SELECT'), ('subscriptions', 'INSERT'),
    ('subscriptions', 'UPDATE'), ('subscriptions', 'DELETE'),
    ('producers', 'SELECT'), ('producers', 'INSERT'), ('producers', 'UPDATE'),
    ('journal', 'SELECT'), ('journal', 'DELETE')
) AS wanted (place, verb)
WHERE NOT has_table_privilege(place, verb)
"""

_GRANT = "Give the user the rights, or the database: ALTER DATABASE ... OWNER TO ..."

# Nothing is quoted: where a password ends is what could not be told.
UNREADABLE = (
    "--store is not a URL that can be read, so it cannot be used. In a user's name and in a"
    " password write / as %2F, ? as %3F, # as %23, @ as %40, : as %3A and % as %25."
)


class PostgresStore:
    """A store in a database that someone else runs.

    `url` goes to asyncpg as it is, so all of it counts: `sslmode`, socket folders given as
    `host`, several hosts, `passfile`, server settings.
    """

    def __init__(
        self,
        url: str,
        *,
        allow_unsafe: bool = False,
        wait_s: float = 30.0,
        alone: bool = False,
    ) -> None:
        self._allow_unsafe = allow_unsafe
        self._alone = alone  # no other broker can come to this database
        self._news = NewsChannel(self.connect)
        self._wait_s = wait_s
        self._connections: Connections | None = None
        self._told = without_password(url)
        self._target: dict[str, Any] = {"dsn": url}

    async def open(self) -> None:
        try:
            with translated():
                await self._open()
        except ValueError as error:
            await self._abandon()
            raise StoreUnusable(UNREADABLE) from error
        except (StoreLost, StoreRefused, asyncpg.PostgresError) as error:
            await self._abandon()
            raise StoreUnusable(
                f"PostgreSQL at {self._told} cannot be used: {told(error)}. {_remedy(error)}."
            ) from error
        except BaseException:
            await self._abandon()
            raise

    async def close(self) -> None:
        connections, self._connections = self._connections, None
        if connections is not None:
            await self._news.close()
            await self._mover.close()
            await self._writer.close()
            await connections.close()

    def __str__(self) -> str:
        return f"PostgreSQL at {self._told}"

    # the catalogue

    async def create_account(
        self, email: str, role: Role, password_hash: str | None = None
    ) -> Account | None:
        return await self._catalogue.create_account(email, role, password_hash)

    async def find_account(self, email: str) -> Account | None:
        found = await self._catalogue.credentials(email)
        return found.account if found else None

    async def credentials(self, email: str) -> Credentials | None:
        return await self._catalogue.credentials(email)

    async def set_password(self, account_id: int, password_hash: str) -> None:
        await self._catalogue.set_password(account_id, password_hash)

    async def delete_account(self, account_id: int) -> None:
        self._reader.forget(account_id)
        await self._remover.delete_account(account_id)

    async def create_topic(self, name: str, creator_id: int) -> TopicRecord | None:
        record = await self._catalogue.create_topic(name, creator_id)
        return self._known(record) if record is not None else None

    async def delete_topic(self, topic_id: int) -> None:
        await self._remover.delete_topic(topic_id)
        self._journal.deleted(topic_id)

    async def topics(self) -> list[TopicRecord]:
        return [self._known(record) for record in await self._catalogue.topics()]

    async def summaries(self) -> list[TopicSummary]:
        await self._mover.move()
        return await self._catalogue.summaries()

    def _known(self, record: TopicRecord) -> TopicRecord:
        """Return the record with the head that counts, and append to its topic from now on."""
        if self._alone:
            head = self._journal.know(record.id, record.head)
            if head > record.head:
                return replace(record, head=head)
        return record

    # sessions

    async def begin_session(self, account_id: int) -> int | None:
        return await self._sessions.begin(account_id)

    async def begin_producer(self, account_id: int, producer: str) -> ProducerMark | None:
        return await self._sessions.begin_producer(account_id, producer)

    async def subscribe(self, account_id: int, topic_id: int, cursor: int, epoch: int) -> None:
        await self._sessions.subscribe(account_id, topic_id, cursor, epoch)

    async def unsubscribe(self, account_id: int, topic_id: int, epoch: int) -> bool:
        return await self._sessions.unsubscribe(account_id, topic_id, epoch)

    async def subscriptions(self, account_id: int) -> list[SubscriptionRecord]:
        return [
            replace(one, topic=self._known(one.topic))
            for one in await self._catalogue.subscriptions(account_id)
        ]

    async def receipts(self, topic_id: int, seq: int) -> tuple[int, int]:
        return await self._catalogue.receipts(topic_id, seq)

    # the log

    async def append(self, batch: Batch) -> Commit:
        await self._mover.room()
        return await self._writer.append(batch)

    async def find_commit(self, batch: Batch) -> Commit | None:
        return await self._writer.find(batch)

    async def read(
        self, topic_id: int, seq: int, limit_bytes: int, head: int = 0
    ) -> list[StoredBlock]:
        return await self._reader.read(topic_id, seq, limit_bytes)

    async def expired(
        self, older_than_s: float | None, more_than_bytes: int | None
    ) -> list[tuple[int, int]]:
        await self._mover.move()
        return await self._remover.expired(older_than_s, more_than_bytes)

    async def take_out(self, topic_id: int, up_to: int) -> int | None:
        if self._journal.holds(topic_id):
            await self._mover.move()
        return await self._remover.take_out(topic_id, up_to)

    # cursors

    async def save_cursors(self, moved: Sequence[CursorMove]) -> list[CursorMove]:
        return await self._sessions.save_cursors(moved)

    # other brokers

    @property
    def block_bytes(self) -> int | None:
        return None

    @property
    def takes_scattered(self) -> bool:
        return self._alone

    @property
    def shared(self) -> bool:
        return not self._alone

    def listen(self, heard: Callable[[str | None], None]) -> None:
        self._news.heard = heard

    async def tell(self, news: str) -> None:
        await self._news.tell(news)

    @property
    def journal_bytes(self) -> int:
        """How much of what is stored is not in the table of blocks yet."""
        return self._journal.size

    # copying

    async def move_journal(self) -> None:
        """Have all that is stored in the table of blocks."""
        await self._mover.move()

    @property
    def connections(self) -> Connections:
        """The connections for reading, once it is open."""
        assert self._connections is not None, "the store is not open"
        return self._connections

    @property
    def locked_connection(self) -> asyncpg.Connection:
        """The one that holds the lock: what is done on it is done while no broker can serve.

        Raises:
            StoreLost: it is gone, and the lock with it.
        """
        return self._writer.held_connection

    async def connect(self) -> asyncpg.Connection:
        """Return a connection of the caller's own, whether the store is open or not."""
        return await asyncpg.connect(**self._target, timeout=CONNECT_TIMEOUT_S)

    # opening and closing

    async def _open(self) -> None:
        connection = await self._connect_once_up()
        try:
            await self._check(connection)
            await self._bring_up_to_date(connection)
            await self._take_lock()
            await self._check_rights(connection)
        finally:
            await ended(connection.close())
        self._connections = await Connections.open(self._target, self._wait_s)
        self._catalogue = Catalogue(self._connections)
        await self._catalogue.open()
        self._mover = Mover(self._journal, self._connections)
        await self._open_journal()
        self._reader = BlockReader(self._connections, self._journal, self._catalogue.emails)
        self._remover = Remover(self._connections)
        self._sessions = Sessions(self._connections)
        if self.shared:
            await self._news.open()

    async def _open_journal(self) -> None:
        """Go on with what a broker that had the database alone has left in the journal.

        Brokers that share a database write none and know none of each other's: what is there came
        with the database, and is moved to blocks before it is served.
        """
        if self._alone:
            await self._mover.load()
            self._mover.start()
        elif await self._mover.something_is_left():
            await self._mover.load()
            await self._mover.move()

    async def _connect_once_up(self) -> asyncpg.Connection:
        """Connect; a server that says that it is starting, or recovering, is waited for."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._wait_s
        told_so = False
        while True:
            try:
                return await self.connect()
            except asyncpg.CannotConnectNowError as error:
                if loop.time() > deadline:
                    raise
                if not told_so:
                    _logger.warning("waiting for PostgreSQL at %s: %s", self._told, told(error))
                    told_so = True
            await asyncio.sleep(POLL_S)

    async def _check(self, connection: asyncpg.Connection) -> None:
        major = connection.get_server_version().major
        if major < OLDEST_SERVER:
            raise StoreUnusable(
                f"The server at {self._told} is PostgreSQL {major}; it takes {OLDEST_SERVER} or"
                " later. Upgrade it, or leave --store out to use the one that comes along."
            )
        encoding = connection.get_settings().server_encoding
        if encoding != "UTF8":
            raise StoreUnusable(
                f"The database at {self._told} is encoded in {encoding}, and messages hold all"
                " of Unicode. Use another, made with `createdb -E UTF8 -T template0 pubsub`."
            )
        if await connection.fetchval("SHOW transaction_read_only") == "on":
            raise StoreUnusable(
                f"The database at {self._told} is read only, as on a standby. Name in --store"
                " the server that takes writes."
            )
        off = [name for name in _DURABLE if await connection.fetchval(f"SHOW {name}") == "off"]
        if off and not self._allow_unsafe:
            raise StoreUnusable(
                f"The server at {self._told} has {' and '.join(off)} off, so an acknowledged"
                " message could be lost in a power cut. Turn it on, or say --allow-unsafe-store."
            )

    async def _bring_up_to_date(self, connection: asyncpg.Connection) -> None:
        """Migrate, unless another broker serves the database as it is: then that goes on."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + LOCK_WAIT_S
        told_so = False
        while await is_old(connection):
            if await connection.fetchval(LOCK_ALONE):
                try:
                    await migrate(connection)
                finally:
                    await connection.execute(UNLOCK_ALONE)
                return
            if loop.time() > deadline:
                raise StoreUnusable(
                    f"Another broker is serving the database at {self._told}, whose schema this"
                    " release has to change. Stop all brokers on it first, then start this one."
                )
            if not told_so:
                self._tell_that_it_waits()
                told_so = True
            await asyncio.sleep(POLL_S)
        await migrate(connection)  # which refuses a newer one

    async def _check_rights(self, connection: asyncpg.Connection) -> None:
        lacking = await connection.fetchval(_LACKING)
        if lacking:
            raise StoreUnusable(
                f"The user in --store lacks rights in the database at {self._told}: {lacking}."
                f" {_GRANT}."
            )

    async def _take_lock(self) -> None:
        self._journal = Journal()
        if self._alone:
            self._writer: BlockWriter = LoneWriter(self.connect, self._journal)
        else:
            self._writer = BlockWriter(self.connect, alone=False)
        if await self._writer.open():
            return
        loop = asyncio.get_running_loop()
        deadline = loop.time() + LOCK_WAIT_S
        self._tell_that_it_waits()
        while not await self._writer.open():
            if loop.time() > deadline:
                raise StoreUnusable(self._in_use)
            await asyncio.sleep(POLL_S)

    @property
    def _in_use(self) -> str:
        if self._alone:
            return (
                f"The database at {self._told} is in use: brokers are serving it, or it is being"
                " copied. Stop them first, all of them, or wait for the copy to end."
            )
        return (
            f"Another broker is serving the database at {self._told}, and shares it with none: one"
            " of an older release; or `pubsub copy` is copying it. Connect to that one, stop it"
            " first, or give this one a database of its own."
        )

    def _tell_that_it_waits(self) -> None:
        _logger.warning(
            "another broker is serving the database at %s; waiting up to %g s for it to end",
            self._told,
            LOCK_WAIT_S,
        )

    async def _abandon(self) -> None:
        """Leave nothing open after an opening that failed."""
        await self._news.close()
        if hasattr(self, "_writer"):
            self._writer.drop()
        if self._connections is not None:
            if hasattr(self, "_mover"):
                await self._mover.close()
            self._connections.terminate()
            self._connections = None


class EmbeddedStore(PostgresStore):
    """A store in PostgreSQL that runs as our own child, out of a data directory."""

    def __init__(self, data_dir: Path, *, wait_s: float = 30.0) -> None:
        super().__init__("", wait_s=wait_s, alone=True)
        self.folder = Folder(data_dir)
        self._server = EmbeddedPostgres(data_dir)
        self._told = str(data_dir)

    async def open(self) -> None:
        address = await self._server.start()
        self._target = {
            "host": address.host,
            "port": address.port,
            "user": address.user,
            "database": address.database,
        }
        try:
            await super().open()
        except BaseException:
            await self._server.stop()
            raise

    async def close(self) -> None:
        try:
            await super().close()
        finally:
            await self._server.stop()


def _remedy(error: Exception) -> str:
    if isinstance(error.__cause__, asyncpg.InsufficientPrivilegeError):
        return _GRANT
    return (
        "Check that it runs and that the user, the password and the database in --store are right"
    )


def without_password(url: str) -> str:
    # Not urlsplit: it raises for some URLs, and ends the password at a slash.
    place, _, query = url.partition("://")[2].partition("?")
    place = place.rpartition("@")[2]
    if place and not place.startswith("/"):
        return place
    folder = re.search(r"(?:^|&)host=([^&]*)", query)
    return (unquote(folder[1]) if folder else "localhost") + place
