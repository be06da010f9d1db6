"""What a cluster has to be like to be a store, made sure of before anything is served."""

import asyncio
import logging
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import msgspec

from broker.store.errors import StoreLost, StoreUnusable
from broker.store.jetstream.address import Address
from broker.store.jetstream.bucket import Bucket, bucket_config
from broker.store.jetstream.connection import Connection, all_of
from broker.store.jetstream.faults import (
    NO_SUITABLE_PEERS,
    NOT_ENABLED,
    REPLICAS_TOO_MANY,
    ApiRefused,
)
from broker.store.jetstream.streams import API, Streams
from broker.store.jetstream.topic import Names

VERSION = 1  # of how everything is laid out
VERSION_KEY = "version"
OLDEST_SERVER = (2, 9)
LEAST_PAYLOAD = 256 * 1024
ROOM_BYTES = 64 * 1024  # of a message, for what stands beside a block's bodies
USUAL_REPLICAS = 3
POLL_S = 0.2
GATHERING_S = 5.0  # servers that start know each other sooner
ORPHAN_S = 3_600.0

# What a stream of ours has to be like. Others may change what is not named here.
_KEPT = (
    *("subjects", "storage", "retention", "max_msgs", "max_bytes", "max_age"),
    *("max_msgs_per_subject", "max_msg_size", "deny_delete"),
)

_logger = logging.getLogger("pubsub.store")


class VersionRecord(msgspec.Struct, frozen=True):
    version: int


class Opening:
    """The checks of one start. Each says what is wrong and what to do about it."""

    def __init__(
        self, address: Address, connection: Connection, streams: Streams, wait_s: float
    ) -> None:
        self._address = address
        self._connection = connection
        self._streams = streams
        self._wait_s = wait_s

    async def check_cluster(self) -> None:
        """Make sure that the servers are new enough, and that JetStream is on and has a leader."""
        version = self._connection.server_version
        if _numbers(version) < OLDEST_SERVER:
            raise StoreUnusable(
                f"The NATS server at {self._address} is {version}; it takes 2.9 or later. Upgrade"
                " it, or leave --store out to use the PostgreSQL that comes along."
            )
        if self._connection.max_payload < LEAST_PAYLOAD:
            raise StoreUnusable(
                f"The NATS server at {self._address} takes messages of"
                f" {self._connection.max_payload:,} bytes only. Raise max_payload in its"
                f" configuration to {LEAST_PAYLOAD:,} or more."
            )
        await self._jetstream()

    async def replicas(self, bucket: str) -> int:
        """Return in how many servers everything is kept: as is said, as `bucket` is, or three.

        Where it is not said, one that was made before decides, so that all brokers agree.
        """
        if self._address.replicas is not None:
            return self._address.replicas
        state = await self._streams.look(f"KV_{bucket}")
        if state is not None:
            return int(state.config["num_replicas"])
        return USUAL_REPLICAS if self._connection.clustered else 1

    async def make_buckets(self, names: Sequence[str], replicas: int) -> None:
        """Make the buckets that are missing, and look through those there are."""
        for name in names:
            wanted = bucket_config(name, replicas)
            state = await self._streams.look(wanted["name"])
            if state is None:
                await self._make(wanted)
            else:
                self._compare(wanted, state.config)

    async def check_version(self, bucket: Bucket[VersionRecord]) -> None:
        """Make sure that this release knows how everything is laid out."""
        while True:
            found = await bucket.get(VERSION_KEY)
            if found.value is None:
                await bucket.put(VERSION_KEY, VersionRecord(VERSION), found.revision)
                continue
            if found.value.version > VERSION:
                raise StoreUnusable(
                    f"The data in NATS at {self._address} has version {found.value.version}, made"
                    f" by a newer release; this one knows up to {VERSION}. Start the newer"
                    " release, or give this one data of its own with ?prefix=... in --store."
                )
            return

    async def check_topics(self, topics: Sequence[int], names: Names, replicas: int) -> None:
        """Make sure that every topic's stream is there and as it was made."""
        wanted = [names.config(topic_id, replicas) for topic_id in topics]
        await all_of([partial(self._check_topic, one) for one in wanted])

    async def _check_topic(self, wanted: dict[str, Any]) -> None:
        state = await self._streams.look(wanted["name"])
        if state is None or state.first > state.last or not state.last:
            what = "missing" if state is None else "empty"
            raise StoreUnusable(
                f"The stream {wanted['name']} in NATS at {self._address} is {what}, though its"
                " topic has not been deleted. Restore it from a backup (nats stream restore)."
            )
        self._compare(wanted, state.config)

    async def tell_orphans(self, topics: Sequence[int], names: Names) -> None:
        """Tell of streams that a crash has left without a topic.

        They are not taken away: were the catalogue lost, they would be all there is. One that
        is young may be that of a topic which another broker is just making.
        """
        before = datetime.now(UTC) - timedelta(seconds=ORPHAN_S)
        for name in await self._streams.named(names.subject("*")):
            if names.topic_id(name) in (None, *topics):
                continue
            state = await self._streams.look(name)
            if state is not None and state.created_at < before:
                _logger.warning(
                    "the stream %s belongs to no topic, as after a crash; if nothing is missed,"
                    " remove it: nats stream rm %s",
                    *(name, name),
                )

    async def _jetstream(self) -> None:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._wait_s
        told_so = False
        while True:
            try:
                await self._streams.account()
                return
            except ApiRefused as error:
                if error.code not in NOT_ENABLED:
                    raise
                raise self._off() from error
            except StoreLost as error:
                if not self._connection.jetstream:
                    raise self._off() from error
                if loop.time() > deadline:
                    raise StoreUnusable(
                        f"JetStream at {self._address} does not answer: {error}. Check that most"
                        " of the cluster's servers run and reach each other."
                    ) from error
                if not told_so:
                    _logger.warning("waiting for JetStream at %s: %s", self._address, error)
                    told_so = True
            await asyncio.sleep(POLL_S)

    def _off(self) -> StoreUnusable:
        return StoreUnusable(
            f"JetStream is off in the NATS server at {self._address}, or for the user in --store."
            " Start the server with -js, or enable it for the account."
        )

    async def _make(self, config: dict[str, Any]) -> None:
        """Make a stream. Of servers that start, their leader has not heard of all at once."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + min(self._wait_s, GATHERING_S)
        while True:
            try:
                await self._streams.make(config)
                return
            except ApiRefused as error:
                if error.code not in (NO_SUITABLE_PEERS, REPLICAS_TOO_MANY):
                    raise
                if error.code == REPLICAS_TOO_MANY or loop.time() >= deadline:
                    raise StoreUnusable(
                        f"NATS at {self._address} has too few servers to keep"
                        f" {config['num_replicas']} replicas: {error}. Add servers, or say"
                        " ?replicas=1 in --store."
                    ) from error
            await asyncio.sleep(POLL_S)

    def _compare(self, wanted: dict[str, Any], found: dict[str, Any]) -> None:
        differing = [key for key in _KEPT if found.get(key) != wanted[key]]
        if differing:
            told = ", ".join(f"{key} is {found.get(key)!r}" for key in differing)
            raise StoreUnusable(
                f"The stream {wanted['name']} in NATS at {self._address} is not as this program"
                f" made it: {told}. Set it back with `nats stream edit`, or use names of your own"
                " with ?prefix=... in --store."
            )

    def tell(self, replicas: int) -> None:
        """Say in the log what is known about what the servers promise."""
        _logger.info(
            "NATS %s at %s, %d replica%s; it acknowledges before fsync, unless each server has"
            " sync_interval: always, which 2.10 and later know and no server tells",
            *(self._connection.server_version, self._address, replicas),
            "" if replicas == 1 else "s",
        )


def unreachable(address: Address, error: StoreLost) -> StoreUnusable:
    return StoreUnusable(
        f"NATS at {address} cannot be reached: {error}. Check that it runs and that the"
        " servers, the user and the password in --store are right."
    )


def permission_lacking(address: Address, denied: str) -> StoreUnusable:
    return StoreUnusable(
        f"The user in --store lacks a permission in NATS at {address}: {denied}. Allow it to"
        f" publish to {API}.>, $KV.> and the prefix's subjects, and to subscribe to _INBOX.>."
    )


def _numbers(version: str) -> tuple[int, ...]:
    parts = version.split("-")[0].split(".")[:2]
    return tuple(int(part) for part in parts if part.isdigit())
