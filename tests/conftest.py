"""What every test may use: a fresh database, a broker on it, and a client of raw lines."""

import itertools
import os
import shutil
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import quote

import asyncpg
import pytest
from hypothesis import settings

from broker import Broker, Settings
from broker.store.embedded import Address, EmbeddedPostgres
from broker.store.postgres.schema import migrate
from tests.certificates import Certificates, make_certificates
from tests.nats import SERVER, NatsServer
from tests.wire import Wire

TEMPLATE = "pubsub_template"
IN_MEMORY_BYTES = 4 * 2**30

# A busy machine is no fault of the code.
settings.register_profile("pubsub", deadline=None)
settings.load_profile("pubsub")


@pytest.fixture(scope="session")
async def server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Address]:
    """A PostgreSQL server for all tests of this process, with a migrated template."""
    with _quick_folder(tmp_path_factory) as folder:
        async for address in _server(folder):
            yield address


async def _server(folder: Path) -> AsyncIterator[Address]:
    postgres = EmbeddedPostgres(folder / "data")
    address = await postgres.start()
    connection = await _connect(address, "postgres")
    await connection.execute(f"CREATE DATABASE {TEMPLATE}")
    await connection.close()
    template = await _connect(address, TEMPLATE)
    await migrate(template)
    await template.close()
    yield address
    await postgres.stop()


@pytest.fixture
async def empty_database(server: Address) -> AsyncIterator[str]:
    """The URL of a new database without any table."""
    async for url in _database(server, "template0"):
        yield url


@pytest.fixture
async def database(server: Address) -> AsyncIterator[str]:
    """The URL of a new database with the newest schema and nothing in it."""
    async for url in _database(server, TEMPLATE):
        yield url


@pytest.fixture(scope="session")
async def nats(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[NatsServer]:
    """A nats-server with JetStream for all tests of this process."""
    if SERVER is None:
        pytest.skip("no nats-server on the PATH: apt-get install nats-server")
    with _quick_folder(tmp_path_factory) as folder:
        server = NatsServer(folder)
        await server.start()
        yield server
        await server.kill()


@pytest.fixture
def jetstream(nats: NatsServer) -> str:
    """The URL of a store in it with nothing in it, under a name of its own."""
    return f"{nats.url}?prefix=test{next(_numbers)}"


@pytest.fixture
async def broker(database: str) -> AsyncIterator[Broker]:
    """A running broker on a fresh database and a free port."""
    async with Broker(Settings(store_url=database, port=0)) as running:
        yield running


@pytest.fixture
async def connect(broker: Broker) -> AsyncIterator[Callable[[], Any]]:
    """A way to open connections to `broker`, closed when the test ends."""
    opened: list[Wire] = []

    async def open_one() -> Wire:
        opened.append(await Wire.open(broker.port))
        return opened[-1]

    yield open_one
    for wire in opened:
        await wire.close()


@contextmanager
def _quick_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder in memory where there is room: a thousand databases are made and dropped in it."""
    memory = Path("/dev/shm")
    if memory.is_dir() and shutil.disk_usage(memory).free > IN_MEMORY_BYTES:
        with TemporaryDirectory(prefix="pubsub-tests-", dir=memory) as name:
            yield Path(name)
    else:
        yield tmp_path_factory.mktemp("postgres")


_numbers = itertools.count(1)


async def _database(server: Address, template: str) -> AsyncIterator[str]:
    name = f"test_{os.getpid()}_{next(_numbers)}"
    admin = await _connect(server, "postgres")
    await admin.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
    yield f"postgresql://{server.user}@/{name}?host={quote(server.host)}&port={server.port}"
    await admin.execute(f"DROP DATABASE {name} WITH (FORCE)")
    await admin.close()


async def _connect(server: Address, database: str) -> asyncpg.Connection:
    return await asyncpg.connect(
        host=server.host, port=server.port, user=server.user, database=database
    )


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    """A broker's certificate and who vouches for it."""
    return make_certificates(tmp_path_factory.mktemp("certificates"))


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    """A folder for a broker's own state, with a space in its name."""
    return tmp_path / "broker data"
