"""Binding the address that a broker listens on."""

import errno
import os
import re
import socket
from pathlib import Path

import pytest

from broker import Broker, CannotListen, Settings
from broker.listening import bind, cannot_listen, close
from tests.doubles.memory_store import MemoryStore


async def test_a_bound_port_is_ours_and_refuses_clients() -> None:
    (one,) = await bind("127.0.0.1", 0)
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(one.getsockname())
    close([one])


async def test_a_port_that_another_listens_on_is_refused() -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(CannotListen, match=f"127.0.0.1:{port} is in use"):
            await bind("127.0.0.1", port)


async def test_all_addresses_of_a_host_get_the_same_port() -> None:
    bound = await bind("localhost", 0)
    assert len({one.getsockname()[1] for one in bound}) == 1
    close(bound)


async def test_who_loses_the_race_for_a_port_closes_its_store() -> None:
    (first,) = await bind("127.0.0.1", 0)

    class Racing(MemoryStore):
        closed = False

        async def open(self) -> None:
            first.listen()

        async def close(self) -> None:
            self.closed = True

    store = Racing()
    port = first.getsockname()[1]
    broker = Broker(Settings(data_dir=Path(), port=port), store)
    with pytest.raises(CannotListen, match="is in use"):
        await broker.start()
    assert store.closed
    close([first])


@pytest.mark.parametrize(
    ("number", "told"),
    [
        (errno.EADDRINUSE, r"\[::1\]:80 is in use .* --port"),
        (errno.EACCES, r"may not listen on \[::1\]:80\. .* --port"),
        (errno.EADDRNOTAVAIL, r"::1 is no address of this machine\. .* --host"),
        (errno.EIO, r"cannot listen on \[::1\]:80: .* --host"),
    ],
)
def test_each_refusal_has_its_remedy(number: int, told: str) -> None:
    error = OSError(number, os.strerror(number))
    assert re.search(told, str(cannot_listen("::1", 80, error)))
