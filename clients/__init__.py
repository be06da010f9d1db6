"""The asyncio client: what the commands and users' programs import."""

from clients.address import Address, BadAddress, addresses
from clients.connection import Connection, ConnectionLost, NoBroker, RequestRefused

__all__ = [
    "Address",
    "BadAddress",
    "Connection",
    "ConnectionLost",
    "NoBroker",
    "RequestRefused",
    "addresses",
]
