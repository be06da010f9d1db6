"""The server: listens, signs accounts in, appends, delivers."""

from broker.broker import Broker
from broker.listening import CannotListen
from broker.settings import Settings
from broker.store.errors import StoreUnusable

__all__ = ["Broker", "CannotListen", "Settings", "StoreUnusable"]
