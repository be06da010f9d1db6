"""A stage for the demonstration on the tests' own PostgreSQL."""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from textual.pilot import Pilot

from app.demo.app import DemoApp, Options
from app.demo.postgres import GivenPostgres
from app.demo.steps import Step
from app.demo.stores import Stores
from broker.store.embedded import Address

Shown = Callable[..., AbstractAsyncContextManager[Pilot[Any]]]


def at(server: Address) -> str:
    """Return the URL of a server's own database."""
    return f"postgresql://{server.user}@/postgres?host={quote(server.host)}&port={server.port}"


@pytest.fixture
def shown(server: Address, tmp_path: Path) -> Shown:
    """Opens the presenter's screen, and closes all it stands on afterwards."""

    @asynccontextmanager
    async def show(
        size: tuple[int, int] = (100, 30),
        *,
        stores: Stores | None = None,
        steps: Sequence[Step] | None = None,
        pace_s: float = 0.0,
        speed: float = 1_000.0,
        ascii_only: bool = False,
    ) -> AsyncIterator[Pilot[Any]]:
        options = Options(pace_s=pace_s, ascii_only=ascii_only, config_dir=tmp_path)
        app = DemoApp(options, stores or GivenPostgres(at(server)), steps)
        try:
            async with app.run_test(size=size) as pilot:
                app.presenter.scene.speed = speed
                yield pilot
        finally:
            await app.presenter.close()

    return show
