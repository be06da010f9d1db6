"""The client behind a screen: beginning a session, ending it, and the state it is in.

Widgets watch the state here; only the screen's own code asks the client for anything.
"""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from textual.message_pump import MessagePump

from app.access import Access
from app.screens.memory import Memory
from app.screens.own_broker import OwnBroker
from app.screens.symbols import Symbols
from clients import Phase, Publisher, State, Subscriber
from clients.options import Options as ClientOptions

AnyClient = Publisher | Subscriber


class MakeClient(Protocol):
    """Makes the client of a kind of screen, not opened."""

    def __call__(self, connect: str, email: str, options: ClientOptions) -> AnyClient: ...


class Session:
    """The account that is signed in, on one screen. `state` is that of its connection."""

    def __init__(
        self,
        kind: str,
        make_client: MakeClient,
        *,
        access: Access,
        memory: Memory,
        symbols: Symbols,
        data_dir: Path | None = None,
    ) -> None:
        self.kind = kind
        self.connect = access.connect
        self.email = ""
        self.memory = memory
        self.symbols = symbols
        self.state = State(Phase.OFFLINE)
        self.own_broker = OwnBroker(data_dir)
        self.client: AnyClient | None = None
        self._access = access
        self._make_client = make_client
        self._watchers: dict[MessagePump, Callable[[State], None]] = {}

    @property
    def remembered_email(self) -> str:
        return self.memory.text(f"{self.kind}.email")

    @staticmethod
    def now() -> float:
        """The clock of the event loop, on which `State.retry_at` is."""
        return asyncio.get_running_loop().time()

    def watch(self, widget: MessagePump, watcher: Callable[[State], None]) -> None:
        """Call `watcher` now and at every change of the state, while `widget` is there."""
        self._watchers[widget] = watcher
        watcher(self.state)

    async def begin(self, connect: str, email: str, password: str | None, *, create: bool) -> None:
        """Sign in, or make the account and sign in; a session there was ends.

        Raises:
            BadAddress, UnusableCA, NoBroker, RequestRefused: the session there was goes on.
        """
        client = self._make_client(connect, email, self._options(password, create=create))
        before, state = self.client, self.state
        try:
            await client.open()
        except BaseException:
            if before is not None:
                self._on_state(state)
            raise
        self.client, self.connect, self.email = client, connect, email
        self.memory.keep(f"{self.kind}.email", email)
        if before is not None:
            await before.close()
            self._on_state(client.state)

    async def end(self) -> None:
        """End the session and, if it is ours, the broker."""
        if self.client is not None:
            await self.client.close()
        await self.own_broker.stop()

    def _options(self, password: str | None, *, create: bool) -> ClientOptions:
        return {
            "create": "new" if create else False,
            "on_state": self._on_state,
            "tls": self._access.tls,
            "ca": self._access.ca,
            "password": password or self._access.password,
        }

    def _on_state(self, state: State) -> None:
        self.state = state
        for widget, watcher in [*self._watchers.items()]:
            if widget.is_attached and widget.is_running:
                watcher(state)
            else:
                del self._watchers[widget]
