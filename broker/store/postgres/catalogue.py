"""Accounts, topics and subscriptions, as GINO models on SQLAlchemy Core.

The only module that knows GINO: it is untyped and no longer maintained, so typed values go
in and come out, and nothing of it is seen outside.
"""

import logging

import sqlalchemy as sa
from gino import Gino, create_engine
from gino.dialects.asyncpg import AsyncpgDialect, Pool
from sqlalchemy.dialects import registry
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.engine.url import URL

from broker.store.errors import StoreLost
from broker.store.interface import (
    Account,
    Credentials,
    SubscriptionRecord,
    TopicRecord,
    TopicSummary,
)
from broker.store.postgres.connections import Connections
from broker.store.postgres.faults import translated
from protocol.names import Role

# SQLAlchemy 1.3 looks dialects up with pkg_resources, which a fresh environment lacks.
registry.register("postgresql.asyncpg", AsyncpgDialect.__module__, AsyncpgDialect.__name__)

db = Gino()

# It logs every statement with its values at INFO: addresses have no place in a log.
logging.getLogger("gino").setLevel(logging.WARNING)


class AccountRow(db.Model):
    __tablename__ = "accounts"

    id = db.Column(db.Integer, primary_key=True)
    email = db.Column(db.Text, nullable=False, unique=True)
    role = db.Column(db.Text, nullable=False)
    password_hash = db.Column(db.Text)


class TopicRow(db.Model):
    __tablename__ = "topics"

    id = db.Column(db.Integer, primary_key=True)
    name = db.Column(db.Text, nullable=False, unique=True)
    head = db.Column(db.BigInteger, nullable=False)
    tail = db.Column(db.BigInteger, nullable=False)
    created_by = db.Column(db.Integer)
    created_at = db.Column(db.DateTime(timezone=True), nullable=False)


# What `_record` wants of a query.
_RECORD = (
    *(TopicRow.id, TopicRow.name, TopicRow.head, TopicRow.tail),
    *(TopicRow.created_by, TopicRow.created_at),
)


def _record(row) -> TopicRecord:
    return TopicRecord(row.id, row.name, row.head, row.created_at, row.tail, row.created_by)


class SubscriptionRow(db.Model):
    __tablename__ = "subscriptions"

    account_id = db.Column(db.Integer, primary_key=True)
    topic_id = db.Column(db.Integer, primary_key=True)
    cursor = db.Column(db.BigInteger, nullable=False)


class BlockRow(db.Model):
    """Only what the catalogue asks of a block; the log reads and writes them."""

    __tablename__ = "blocks"

    topic_id = db.Column(db.Integer, primary_key=True)
    first_seq = db.Column(db.BigInteger, primary_key=True)
    committed_at = db.Column(db.DateTime(timezone=True), nullable=False)
    times = db.Column(db.LargeBinary)


class Catalogue:
    """The catalogue's queries, on connections of the store's pool."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections

    async def open(self) -> None:
        connections = self._connections

        class StorePool(Pool):
            """GINO's way of taking connections, from those the store has already.

            GINO's own pool reads a URL and drops its query, `sslmode` with it.
            """

            async def _init(self):
                return self

            async def acquire(self, *, timeout=None):
                return await connections.acquire()

            async def release(self, connection):
                await connections.release(connection)

        self._engine = await create_engine(URL("postgresql+asyncpg"), pool_class=StorePool)

    async def create_account(
        self, email: str, role: Role, password_hash: str | None
    ) -> Account | None:
        row = await self._first(
            insert(AccountRow)
            .values(email=email, role=role.value, password_hash=password_hash)
            .on_conflict_do_nothing()
            .returning(AccountRow.id)
        )
        return Account(row.id, email, role) if row else None

    async def credentials(self, email: str) -> Credentials | None:
        row = await self._first(AccountRow.query.where(AccountRow.email == email))
        if row is None:
            return None
        return Credentials(Account(row.id, row.email, Role(row.role)), row.password_hash)

    async def set_password(self, account_id: int, password_hash: str) -> None:
        await self._status(
            AccountRow.update.values(password_hash=password_hash).where(AccountRow.id == account_id)
        )

    async def create_topic(self, name: str, creator_id: int) -> TopicRecord | None:
        row = await self._first(
            insert(TopicRow)
            .values(name=name, created_by=creator_id)
            .on_conflict_do_nothing()
            .returning(TopicRow.id, TopicRow.created_at)
        )
        return TopicRecord(row.id, name, 0, row.created_at, 0, creator_id) if row else None

    async def topics(self) -> list[TopicRecord]:
        rows = await self._all(TopicRow.query.order_by(TopicRow.id))
        return [_record(row) for row in rows]

    async def summaries(self) -> list[TopicSummary]:
        read = sa.func.greatest(SubscriptionRow.cursor, TopicRow.tail)
        unread = sa.func.greatest(TopicRow.head - read, 0)
        counts = (
            sa.select(
                [
                    SubscriptionRow.topic_id,
                    sa.func.count().label("subscribers"),
                    sa.func.count().filter(unread > 0).label("behind"),
                    sa.cast(sa.func.sum(unread), sa.BigInteger).label("unread"),
                    (sa.func.min(SubscriptionRow.cursor) + 1).label("oldest"),
                ]
            )
            .select_from(SubscriptionRow.join(TopicRow, SubscriptionRow.topic_id == TopicRow.id))
            .group_by(SubscriptionRow.topic_id)
            .alias("counts")
        )
        newest = (
            sa.select([BlockRow.committed_at])
            .where(BlockRow.topic_id == TopicRow.id)
            .order_by(BlockRow.first_seq.desc())
            .limit(1)
            .as_scalar()
            .label("published_at")
        )
        # The block that holds the oldest unread message, or where that is gone the one after it.
        holds = sa.select([sa.func.max(BlockRow.first_seq)]).where(
            sa.and_(BlockRow.topic_id == TopicRow.id, BlockRow.first_seq <= counts.c.oldest)
        )
        place = sa.func.greatest(counts.c.oldest - BlockRow.first_seq + 1, 1)
        unread_since = (
            sa.select([sa.func.time_at(BlockRow.times, place, BlockRow.committed_at)])
            .where(BlockRow.topic_id == TopicRow.id)
            .where(
                BlockRow.first_seq
                >= sa.func.coalesce(
                    holds.correlate(TopicRow.__table__, counts).as_scalar(), counts.c.oldest
                )
            )
            .where(counts.c.behind > 0)
            .order_by(BlockRow.first_seq)
            .limit(1)
            .correlate(TopicRow.__table__, counts)
            .as_scalar()
            .label("unread_since")
        )
        rows = await self._all(
            sa.select(
                [
                    *_RECORD,
                    newest,
                    unread_since,
                    sa.func.coalesce(counts.c.subscribers, 0).label("subscribers"),
                    sa.func.coalesce(counts.c.behind, 0).label("behind"),
                    sa.func.coalesce(counts.c.unread, 0).label("unread"),
                ]
            )
            .select_from(TopicRow.__table__.outerjoin(counts, counts.c.topic_id == TopicRow.id))
            .order_by(TopicRow.id)
        )
        return [
            TopicSummary(
                _record(row),
                row.published_at,
                row.subscribers,
                row.behind,
                row.unread,
                row.unread_since,
            )
            for row in rows
        ]

    async def subscriptions(self, account_id: int) -> list[SubscriptionRecord]:
        rows = await self._all(
            sa.select([*_RECORD, SubscriptionRow.cursor])
            .select_from(SubscriptionRow.join(TopicRow, SubscriptionRow.topic_id == TopicRow.id))
            .where(SubscriptionRow.account_id == account_id)
            .order_by(TopicRow.id)
        )
        return [SubscriptionRecord(_record(row), row.cursor) for row in rows]

    async def receipts(self, topic_id: int, seq: int) -> tuple[int, int]:
        row = await self._first(
            sa.select(
                [
                    sa.func.count().filter(SubscriptionRow.cursor >= seq).label("confirmed"),
                    sa.func.count().label("subscriptions"),
                ]
            ).where(SubscriptionRow.topic_id == topic_id)
        )
        return row.confirmed, row.subscriptions

    async def emails(self, ids: list[int]) -> dict[int, str]:
        rows = await self._all(
            sa.select([AccountRow.id, AccountRow.email]).where(AccountRow.id.in_(ids))
        )
        return {row.id: row.email for row in rows}

    async def _first(self, query):
        return await self._asked(self._engine.first, query)

    async def _all(self, query):
        return await self._asked(self._engine.all, query)

    async def _status(self, query):
        return await self._asked(self._engine.status, query)

    async def _asked(self, ask, query):
        with translated():
            try:
                return await ask(query)
            except AttributeError as error:
                if "_protocol" not in str(error):
                    raise
                # What GINO makes of a connection that is closed while it holds it.
                raise StoreLost("the connection broke") from error
