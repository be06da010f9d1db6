"""Watches the free space of the disk that the data directory is on."""

import asyncio
import logging
import os
from pathlib import Path

from broker.events import Event, tell
from broker.log import Log
from protocol.reasons import Reason

LOOK_S = 1.0


class DiskWatch:
    """Refuses publishes while less than `floor_bytes` are free; reading goes on."""

    def __init__(self, folder: Path, floor_bytes: int) -> None:
        self._folder = folder
        self._floor = floor_bytes

    async def run(self, log: Log) -> None:
        """Look every second, until cancelled."""
        while True:
            self._look(log)
            await asyncio.sleep(LOOK_S)

    def _look(self, log: Log) -> None:
        free = free_bytes(self._folder)
        if free < self._floor and log.closed is None:
            tell(
                Event.LOW_DISK,
                f"only {free >> 20} MiB are free of the {self._floor >> 20} MiB that are kept free;"
                " publishes are refused",
                logging.ERROR,
            )
            log.close(
                Reason.LOW_DISK,
                f"the broker's disk has {free >> 20} MiB left and keeps {self._floor >> 20} MiB"
                " free; nothing is stored until there is space again",
            )
        elif (
            free >= self._floor and log.closed is not None and log.closed.reason is Reason.LOW_DISK
        ):
            text = f"{free >> 20} MiB are free again; publishes go on"
            tell(Event.DISK_FREE, text, logging.WARNING)
            log.reopen()


def free_bytes(folder: Path) -> int:
    """Return how much more can be written to the disk that `folder` is on."""
    status = os.statvfs(folder)
    return status.f_bavail * status.f_frsize
