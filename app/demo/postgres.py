"""PostgreSQL on a temporary folder, for as long as the demonstration takes."""

import asyncio
import shutil
import tempfile
from pathlib import Path

from broker.store.embedded import Address, EmbeddedPostgres


class TemporaryPostgres:
    """The broker's own PostgreSQL, with nothing left of it afterwards."""

    def __init__(self) -> None:
        self._folder: Path | None = None
        self._postgres: EmbeddedPostgres | None = None

    async def start(self) -> Address:
        """Start it; after a failure or a cancel `stop` removes what there is."""
        self._folder = Path(tempfile.mkdtemp(prefix="pubsub-demo-"))
        self._postgres = EmbeddedPostgres(self._folder / "data")
        return await self._postgres.start()

    async def stop(self) -> None:
        """Stop it and remove its folder. Harmless when repeated, or never started."""
        postgres, self._postgres = self._postgres, None
        if postgres is not None:
            await postgres.stop()
        folder, self._folder = self._folder, None
        if folder is not None:
            await asyncio.to_thread(shutil.rmtree, folder)
