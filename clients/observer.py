"""A client that only asks."""

from clients.client import Client
from clients.errors import RequestRefused
from protocol.reasons import Reason
from protocol.requests import Connect, Create


class Observer(Client):
    """Looks at topics, history and confirmations with an account of either role.

    Takes no deliveries, so a subscriber's other session goes on.
    """

    role = None

    def _sign_in_request(self) -> Connect:
        return Connect(user_email=self.email, version=2, deliver=False)

    def _create_request(self) -> Create:
        raise RequestRefused(Reason.BAD_USER_TYPE, "an observer's account has to be there already")
