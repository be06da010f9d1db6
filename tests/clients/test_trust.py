"""Clients and TLS: whom they talk to, and what they say where they do not."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from broker import Broker, Settings
from clients import (
    BrokerNotTrusted,
    NoBroker,
    Phase,
    Publisher,
    Subscriber,
    UnusableCA,
)
from clients.backoff import Backoff
from tests.certificates import Certificates
from tests.doubles.memory_store import MemoryStore
from tests.wire import until

AT_ONCE = Backoff(first_s=0.01, longest_s=0.05)


@pytest.fixture
async def secure(certificates: Certificates) -> AsyncIterator[Broker]:
    async with Broker(with_tls(certificates.cert, certificates.key), MemoryStore()) as running:
        yield running


def with_tls(cert: Path, key: Path, port: int = 0) -> Settings:
    return Settings(store_url="memory", port=port, tls_cert=cert, tls_key=key, stop_wait_s=0.05)


def publisher(broker: Broker, host: str = "127.0.0.1", **options: Any) -> Publisher:
    usual: dict[str, Any] = {"create": True, "backoff": AT_ONCE}
    return Publisher(f"{host}:{broker.port}", "p@b.c", **(usual | options))


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
async def test_messages_go_through_tls(
    secure: Broker, certificates: Certificates, host: str
) -> None:
    async with publisher(secure, host, ca=certificates.ca) as shop:
        await shop.create_topic("T")
        where = f"{host}:{secure.port}"
        async with Subscriber(where, "s@b.c", create=True, ca=certificates.ca) as reader:
            await reader.subscribe("T")
            await shop.publish("T", "hello")
            assert (await anext(reader)).text == "hello"


async def refused(client: Publisher) -> str:
    """Return why `client` is not let in."""
    with pytest.raises(NoBroker) as caught:
        await client.open()
    await client.close()
    assert "\n" not in str(caught.value)
    assert "start one with" not in str(caught.value)
    return str(caught.value)


async def test_a_stranger_s_certificate_is_not_trusted(
    secure: Broker, certificates: Certificates
) -> None:
    for options in ({"tls": True}, {"ca": certificates.stranger_ca}):
        client = publisher(secure, **options)
        assert "nobody trusted here vouches for" in await refused(client)
    with pytest.raises(BrokerNotTrusted, match="--ca FILE"):
        await publisher(secure, tls=True).open()


async def test_a_certificate_for_another_name_is_not_trusted(certificates: Certificates) -> None:
    settings = with_tls(certificates.other_cert, certificates.other_key)
    async with Broker(settings, MemoryStore()) as broker:
        for host in ("127.0.0.1", "localhost"):
            client = publisher(broker, host, ca=certificates.ca)
            assert f"not for {host}" in await refused(client)


async def test_tls_where_there_is_none_is_told(broker: Broker, certificates: Certificates) -> None:
    assert "does not speak TLS" in await refused(publisher(broker, ca=certificates.ca))


async def test_no_tls_where_it_is_wanted_is_told(secure: Broker) -> None:
    assert "takes TLS and nothing else" in await refused(publisher(secure))


async def test_a_file_of_certificates_that_cannot_be_used_is_told_at_once(tmp_path: Path) -> None:
    text = tmp_path / "text"
    text.write_text("hello")
    for ca in (text, tmp_path / "none", tmp_path):
        with pytest.raises(UnusableCA, match=f"{ca} (holds no|cannot be read)"):
            Publisher("127.0.0.1:1", "p@b.c", ca=ca)


async def test_a_client_comes_back_through_tls_and_never_to_a_stranger(
    certificates: Certificates,
) -> None:
    store = MemoryStore()
    settings = with_tls(certificates.cert, certificates.key)
    async with Broker(settings, store) as first:
        port = first.port
        shop = publisher(first, ca=certificates.ca)
        await shop.open()
        await shop.create_topic("T")
    stranger = with_tls(certificates.other_cert, certificates.other_key, port)
    async with Broker(stranger, MemoryStore()):
        await until(lambda: "not for 127.0.0.1" in shop.state.why)
        assert shop.state.phase is not Phase.LIVE
    async with Broker(with_tls(certificates.cert, certificates.key, port), store):
        shop.retry_now()
        assert (await shop.publish("T", "hello")).seq == 1
        await shop.close()
