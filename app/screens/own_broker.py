"""A broker inside the screen's own process, where there is no other."""

import ipaddress
from pathlib import Path
from typing import TYPE_CHECKING

from app.places import default_data_dir
from clients.address import addresses

if TYPE_CHECKING:
    from broker import Broker


class CannotStart(Exception):
    """The broker cannot be started. The text says why and what to do."""


class OwnBroker:
    """A broker on the default data directory, at the address where one was looked for.

    Other programs reach it there as they would any other, for as long as the screen is open.
    """

    def __init__(self, data_dir: Path | None = None) -> None:
        self.data_dir = data_dir or default_data_dir()
        self._broker: Broker | None = None

    @staticmethod
    def possible(connect: str) -> bool:
        """Whether the address is one of this machine's own."""
        host = addresses(connect)[0].host
        try:
            return ipaddress.ip_address(host).is_loopback
        except ValueError:
            return host == "localhost"

    async def start(self, connect: str) -> None:
        """Start it; return when clients can connect.

        Raises:
            CannotStart: its store or its address cannot be used.
        """
        # A screen is there sooner without it, and seldom needs it.
        from broker import Broker, CannotListen, Settings, StoreUnusable

        address = addresses(connect)[0]
        broker = Broker(Settings(host=address.host, port=address.port, data_dir=self.data_dir))
        try:
            await broker.start()
        except (CannotListen, StoreUnusable) as error:
            raise CannotStart(str(error)) from error
        self._broker = broker

    async def stop(self) -> None:
        """Stop it, if it was started, without losing anything."""
        if self._broker is not None:
            await self._broker.stop()
            self._broker = None
