"""The server: listens, signs accounts in, appends, delivers."""

from broker.broker import Broker
from broker.listening import CannotListen, TooOpen
from broker.settings import Auth, Settings
from broker.store.errors import StoreUnusable

__all__ = ["Auth", "Broker", "CannotListen", "Settings", "StoreUnusable", "TooOpen"]
