"""A broker inside the screen's own process, where there is no other."""

import ipaddress
from pathlib import Path

from app.places import default_data_dir
from broker import Broker, Settings
from clients.address import addresses


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
            StoreUnusable, CannotListen: the text says what to do.
        """
        address = addresses(connect)[0]
        broker = Broker(Settings(host=address.host, port=address.port, data_dir=self.data_dir))
        await broker.start()
        self._broker = broker

    async def stop(self) -> None:
        """Stop it, if it was started, without losing anything."""
        if self._broker is not None:
            await self._broker.stop()
            self._broker = None
