"""Watches the free space of the disk that the data directory is on."""

import asyncio
import logging
import os
from functools import partial
from pathlib import Path

from broker.events import Event, tell
from broker.log import Log
from broker.lookout import Lookout
from protocol.reasons import Reason

LOOK_S = 1.0
LIMIT_S = 5.0  # for its answer

_logger = logging.getLogger("pubsub.broker")


class DiskWatch:
    """Refuses publishes while less than `floor_bytes` are free; reading goes on.

    Where the disk cannot be asked, or does not answer, what was last known of it holds.
    """

    def __init__(self, folder: Path, floor_bytes: int) -> None:
        self._lookout = Lookout(partial(free_bytes, folder))
        self._floor = floor_bytes
        self._answers = True

    async def run(self, log: Log) -> None:
        """Look every second, until cancelled."""
        while True:
            await self._look(log)
            await asyncio.sleep(LOOK_S)

    async def _look(self, log: Log) -> None:
        try:
            free = await self._lookout.seen(LIMIT_S)
        except OSError as error:
            self._tell_once(error)
        else:
            self._answers = True
            self._judge(free, log)

    def _tell_once(self, error: OSError) -> None:
        if self._answers:
            _logger.warning("how much of the disk is free cannot be told: %s", error)
        self._answers = False

    def _judge(self, free: int, log: Log) -> None:
        if free < self._floor and log.closed is None:
            tell(
                Event.LOW_DISK,
                f"{free >> 20} MiB of disk are free, below {self._floor >> 20} MiB;"
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
