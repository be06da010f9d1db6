"""What a cluster has to be like, and the one clear sentence where it is not."""

import logging
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest

from bench.ports import free_ports
from broker.store.errors import StoreUnusable
from broker.store.interface import Account, TopicRecord
from broker.store.jetstream import JetStreamStore, opening
from broker.store.jetstream.address import Address, NotAnAddress
from broker.store.jetstream.faults import NO_SUITABLE_PEERS, ApiRefused
from broker.store.jetstream.streams import Streams
from tests.broker.store.jetstream.conftest import Side, block
from tests.nats import nats_server, needs_nats


async def refused(url: str, wait_s: float = 5.0) -> str:
    """Return why a store at `url` cannot be opened."""
    store = JetStreamStore(url, wait_s=wait_s)
    with pytest.raises(StoreUnusable) as unusable:
        await store.open()
    await store.close()  # harmless
    assert "secret" not in str(unusable.value)
    return str(unusable.value)


# addresses


def test_an_address_names_servers_and_options() -> None:
    address = Address.parse("nats://us%40er:se%3Acret@a,b:4333,[::1]:5,?replicas=3&prefix=my-own_1")
    assert address.servers == ("a:4222", "b:4333", "[::1]:5")
    assert (address.user, address.password, address.tls) == ("us@er", "se:cret", False)
    assert (address.replicas, address.prefix) == (3, "my-own_1")
    assert Address.parse("tls://token@host/").tls
    assert Address.parse("nats://host").replicas is None
    assert "cret" not in repr(address) + str(address)


@pytest.mark.parametrize(
    "url",
    [
        "nats://",
        "nats://user:secret@",
        "nats://host:port",
        "nats://host:99999",
        "nats://:4222",
        "nats://[::1",
        "nats://host/stream",
        "nats://host?replicas=0",
        "nats://host?replicas=6",
        "nats://host?replicas=three",
        "nats://host?prefix=",
        "nats://host?prefix=a.b",
        "nats://host?prefix=*",
        "nats://host?prefixx=a",
        "nats://host#there",
    ],
)
async def test_an_address_that_cannot_be_read_is_refused_in_a_sentence(url: str) -> None:
    with pytest.raises(NotAnAddress):
        Address.parse(url)
    assert (await refused(url)).startswith("--store cannot be used: ")


# servers


async def test_a_server_that_is_not_there_is_told(caplog: pytest.LogCaptureFixture) -> None:
    one, other = free_ports(2)
    told = await refused(f"nats://user:secret@127.0.0.1:{one},127.0.0.1:{other}")
    assert f"NATS at 127.0.0.1:{one},127.0.0.1:{other} cannot be reached" in told
    assert "Check that it runs" in told


@needs_nats
async def test_a_wrong_password_is_told(tmp_path: Path) -> None:
    settings = "authorization { user: pubsub, password: right }"
    async with nats_server(tmp_path, settings) as server:
        told = await refused(f"nats://pubsub:secret@{server.address}")
        assert "Authorization Violation" in told
        store = JetStreamStore(f"nats://pubsub:right@{server.address}")
        await store.open()
        await store.close()


@needs_nats
async def test_jetstream_that_is_off_is_told(tmp_path: Path) -> None:
    async with nats_server(tmp_path, jetstream=False) as server:
        assert "JetStream is off" in await refused(server.url)


@needs_nats
async def test_messages_that_may_be_too_small_are_told(tmp_path: Path) -> None:
    async with nats_server(tmp_path, "max_payload: 65536") as server:
        told = await refused(server.url)
        assert "takes messages of 65,536 bytes only" in told
        assert "max_payload" in told


@needs_nats
@pytest.mark.slow
async def test_a_permission_that_is_lacking_is_told(tmp_path: Path) -> None:
    settings = (
        "authorization { users: [{ user: pubsub, password: secret,"
        ' permissions: { publish: { deny: "$JS.API.STREAM.CREATE.>" } } }] }'
    )
    async with nats_server(tmp_path, settings) as server:
        told = await refused(f"nats://pubsub:secret@{server.address}")
        assert "lacks a permission" in told
        assert "$JS.API.STREAM.CREATE".lower() in told


@pytest.mark.parametrize("soon", [True, False])
async def test_servers_that_do_not_know_each_other_yet_are_waited_for_but_not_for_long(
    jetstream: str, monkeypatch: pytest.MonkeyPatch, soon: bool
) -> None:
    monkeypatch.setattr(opening, "POLL_S", 0.01)
    asked: list[str] = []
    make = Streams.make

    async def nobody_yet(streams: Streams, config: dict[str, Any]) -> None:
        asked.append(config["name"])
        if not soon or len(asked) < 3:
            raise ApiRefused(NO_SUITABLE_PEERS, "no suitable peers for placement")
        await make(streams, config)

    monkeypatch.setattr(Streams, "make", nobody_yet)
    if soon:
        store = JetStreamStore(jetstream)
        await store.open()
        await store.close()
        assert asked[0] == asked[1] == asked[2]
    else:
        monkeypatch.setattr(opening, "GATHERING_S", 0.1)
        assert "too few servers to keep 1 replicas" in await refused(jetstream)
        assert len(asked) > 1


async def test_more_replicas_than_servers_are_told(jetstream: str) -> None:
    told = await refused(f"{jetstream}&replicas=3")
    assert "too few servers to keep 3 replicas" in told
    assert "?replicas=1" in told


async def test_a_package_that_is_not_installed_is_told(
    jetstream: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "nats.aio.client", None)
    assert "pip install 'pubsub-suite[nats]'" in await refused(jetstream)


# what is in it


async def change(store: Side, name: str, **changes: Any) -> None:
    """Change a stream's configuration behind the store's back."""
    state = await store._streams.look(name)
    assert state is not None
    await store._streams._api(f"STREAM.UPDATE.{name}", state.config | changes)


async def test_a_stream_that_was_changed_is_told(
    jetstream: str, one: Side, orders: TopicRecord
) -> None:
    await change(one, one._names.stream(orders.id), max_msgs=10, max_age=10**12)
    told = await refused(jetstream)
    assert f"{one._names.stream(orders.id)} in NATS" in told
    assert "max_msgs is 10, max_age is 1000000000000" in told


async def test_a_bucket_that_was_changed_is_told(jetstream: str, one: Side) -> None:
    name = f"KV_{one._names.prefix}_accounts"
    await change(one, name, max_bytes=1_000_000)
    told = await refused(jetstream)
    assert f"{name} in NATS" in told
    assert "max_bytes is 1000000" in told


async def test_a_bucket_of_another_program_is_told(jetstream: str, one: Side) -> None:
    prefix = f"{one._names.prefix}x"
    await one._streams.make(
        {"name": f"KV_{prefix}_topics", "subjects": [f"{prefix}_else.>"], "storage": "memory"}
    )
    url = jetstream.replace(f"prefix={one._names.prefix}", f"prefix={prefix}")
    told = await refused(url)
    assert f"KV_{prefix}_topics" in told
    assert "storage is 'memory'" in told


async def test_a_topic_whose_stream_is_missing_is_told(
    jetstream: str, one: Side, orders: TopicRecord
) -> None:
    await one._streams.remove(one._names.stream(orders.id))
    told = await refused(jetstream)
    assert f"The stream {one._names.stream(orders.id)}" in told
    assert "is missing" in told


async def test_a_stream_that_was_emptied_is_told(
    jetstream: str, one: Side, orders: TopicRecord, shop: Account
) -> None:
    await one.put(block(orders, shop, "a"))
    await one._streams._api(f"STREAM.PURGE.{one._names.stream(orders.id)}", {})
    assert "is empty" in await refused(jetstream)


async def test_data_of_a_newer_release_is_told(jetstream: str, one: Side) -> None:
    bucket = f"$KV.{one._names.prefix}_meta.version"
    await one._streams.write(bucket, msgspec.json.encode({"version": 99}), {})
    told = await refused(jetstream)
    assert "version 99, made by a newer release" in told


async def test_a_store_says_what_it_found(jetstream: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, logger="pubsub.store")
    store = JetStreamStore(jetstream)
    await store.open()
    await store.close()
    assert "1 replica; it acknowledges before fsync" in caplog.text
    assert str(store).startswith("NATS at 127.0.0.1:")


async def test_streams_that_no_topic_has_are_told_and_kept(
    jetstream: str,
    one: Side,
    orders: TopicRecord,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    names = one._names
    await one._streams.make(names.config(99, 1))
    store = Side(jetstream)
    await store.open()
    await store.close()
    assert names.stream(99) not in caplog.text  # it may be that of a topic being made
    monkeypatch.setattr("broker.store.jetstream.opening.ORPHAN_S", -1.0)
    await store.open()
    await store.close()
    assert f"nats stream rm {names.stream(99)}" in caplog.text
    assert names.stream(orders.id) not in caplog.text
    assert await one._streams.look(names.stream(99)) is not None
