"""What the tests of the measurements share: a broker in a process of its own, and a bare store."""

import asyncio
import os
from collections.abc import AsyncIterator, Iterator
from dataclasses import asdict, replace
from pathlib import Path
from urllib.parse import quote

import asyncpg
import pytest
import uvloop

from bench.limits import BareStore
from bench.target import OwnTarget
from broker.store.embedded import Address

TEMPLATE = "pubsub_template"


@pytest.fixture(scope="module")
async def databases(server: Address) -> AsyncIterator[tuple[Address, Address]]:
    """Two databases on the server that all tests share: no second server has to be made."""
    both = [replace(server, database=f"bench_{os.getpid()}_{number}") for number in (1, 2)]
    admin = await asyncpg.connect(**asdict(replace(server, database="postgres")))
    for one in both:
        await admin.execute(f"CREATE DATABASE {one.database} TEMPLATE {TEMPLATE}")
    yield both[0], both[1]
    for one in both:
        await admin.execute(f"DROP DATABASE {one.database} WITH (FORCE)")
    await admin.close()


@pytest.fixture(scope="module")
def target(
    databases: tuple[Address, Address], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[OwnTarget]:
    """A broker in a process of its own."""
    address = databases[0]
    url = f"postgresql://{address.user}@/{address.database}?host={quote(address.host)}"
    folder: Path = tmp_path_factory.mktemp("bench")
    with OwnTarget(folder, ["--store", f"{url}&port={address.port}"]) as running:
        yield running


@pytest.fixture(scope="module")
def store(databases: tuple[Address, Address]) -> Iterator[BareStore]:
    """PostgreSQL without a broker."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        yield BareStore(runner, databases[1])
