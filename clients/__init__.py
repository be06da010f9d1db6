"""The asyncio client library: publish and subscribe, through any number of lost connections.

`docs/clients.md` tells how to use it.
"""

from clients.address import BadAddress
from clients.errors import (
    AccountNotFound,
    BrokerNotTrusted,
    NoBroker,
    PasswordNeeded,
    PubSubError,
    RequestRefused,
    SessionEnded,
    TopicNotFound,
    WrongPassword,
)
from clients.observer import Observer
from clients.publisher import Publisher
from clients.states import Phase, State
from clients.subscriber import Subscriber
from clients.trust import UnusableCA
from clients.values import Gap, Message, Receipt

__all__ = [
    "AccountNotFound",
    "BadAddress",
    "BrokerNotTrusted",
    "Gap",
    "Message",
    "NoBroker",
    "Observer",
    "PasswordNeeded",
    "Phase",
    "PubSubError",
    "Publisher",
    "Receipt",
    "RequestRefused",
    "SessionEnded",
    "State",
    "Subscriber",
    "TopicNotFound",
    "UnusableCA",
    "WrongPassword",
]
