"""The demonstration's places in a NATS cluster: streams of its own below the operator's."""

import secrets
from itertools import count
from urllib.parse import urlsplit

from app.demo.sample import fill
from app.demo.stores import Words
from app.text import harmless
from broker.store.errors import StoreError, StoreLost, StoreUnusable
from broker.store.jetstream import JetStreamStore
from broker.store.jetstream.address import Address
from broker.store.jetstream.connection import Connection
from broker.store.jetstream.erasing import erase
from broker.store.jetstream.opening import Opening, permission_lacking, unreachable
from broker.store.jetstream.streams import Streams

WAIT_S = 10.0
PREFIX_LENGTH = 13  # of the operator's prefix, so that there is room for what makes ours


class GivenJetStream:
    """Places in the cluster at `url`, each under a prefix that nobody else has.

    What lies under the operator's own prefix is neither read nor changed.

    Raises:
        NotAnAddress: `url` cannot be read.
    """

    def __init__(self, url: str) -> None:
        self._address = Address.parse(url)
        self._url = url
        self._told = harmless(f"NATS at {self._address}")
        # Not the process's number: another machine may have one of the same number.
        self.prefix = f"{self._address.prefix[:PREFIX_LENGTH]}-demo-{secrets.token_hex(4)}"
        self._numbers = count(1)
        self._left: list[str] = []  # prefixes under which there may be something
        self._connection: Connection | None = None

    @property
    def words(self) -> Words:
        return Words(
            name="NATS JetStream",
            starting=f"Starting a broker on {self._told}, on streams of its own ...",
            kept="in JetStream",
            data="temporary data in NATS",
            place="new streams",
        )

    async def start(self) -> None:
        await self._disconnect()
        connection = Connection(self._address, WAIT_S)
        try:
            await connection.open()
        except StoreLost as error:
            raise unreachable(self._address, error) from error
        self._connection = connection
        await self._check(connection)

    async def fresh(self) -> str:
        prefix = f"{self.prefix}-{next(self._numbers)}"
        self._left.append(prefix)
        url = self._url_of(prefix)
        store = JetStreamStore(url, wait_s=WAIT_S)
        await store.open()
        try:
            await fill(store)
        except StoreError as error:
            raise StoreUnusable(f"{self._told} cannot be used: {error}.") from error
        finally:
            await store.close()
        return url

    async def drop(self) -> None:
        if self._left and self._connection is None:
            await self.start()
        while self._left:
            assert self._connection is not None
            try:
                await erase(self._connection, self._left[-1], WAIT_S)
            except StoreError as error:
                raise self._not_erased(self._connection, error) from error
            self._left.pop()

    async def stop(self) -> None:
        try:
            await self.drop()
        finally:
            await self._disconnect()

    async def _check(self, connection: Connection) -> None:
        """Make sure that a store can be made: afterwards there is something to be removed."""
        streams = Streams(connection, WAIT_S)
        try:
            await Opening(self._address, connection, streams, WAIT_S).check_cluster()
        except StoreError as error:
            if connection.denied is not None:
                raise permission_lacking(self._address, connection.denied) from error
            raise StoreUnusable(f"{self._told} cannot be used: {error}.") from error

    async def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.close()

    def _not_erased(self, connection: Connection, error: StoreError) -> StoreUnusable:
        if connection.denied is not None:
            return permission_lacking(self._address, connection.denied)
        return StoreUnusable(
            f"What the demonstration made in {self._told} could not be removed: {error}. Remove"
            f" the streams whose names begin with {self.prefix} or KV_{self.prefix}"
            " (nats stream rm)."
        )

    def _url_of(self, prefix: str) -> str:
        parts = urlsplit(self._url)
        replicas = self._address.replicas
        kept = "" if replicas is None else f"replicas={replicas}&"
        return f"{parts.scheme}://{parts.netloc}?{kept}prefix={prefix}"
