"""A stage for the demonstration on the tests' own PostgreSQL."""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot

from app.demo.app import DemoApp, Options
from app.demo.steps import STEPS, Step
from broker.store.embedded import Address

Shown = Callable[..., AbstractAsyncContextManager[Pilot[Any]]]


class Lent:
    """PostgreSQL that is there already, and stays."""

    def __init__(self, address: Address) -> None:
        self._address = address

    async def start(self) -> Address:
        return self._address

    async def stop(self) -> None:
        pass


@pytest.fixture
def shown(server: Address, tmp_path: Path) -> Shown:
    """Opens the presenter's screen, and closes all it stands on afterwards."""

    @asynccontextmanager
    async def show(
        size: tuple[int, int] = (100, 30),
        *,
        postgres: Any = None,
        steps: Sequence[Step] = STEPS,
        pace_s: float = 0.0,
        speed: float = 1_000.0,
        ascii_only: bool = False,
    ) -> AsyncIterator[Pilot[Any]]:
        options = Options(pace_s=pace_s, ascii_only=ascii_only, config_dir=tmp_path)
        app = DemoApp(options, postgres or Lent(server), steps)
        try:
            async with app.run_test(size=size) as pilot:
                app.presenter.scene.speed = speed
                yield pilot
        finally:
            await app.presenter.close()

    return show
