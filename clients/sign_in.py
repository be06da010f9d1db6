"""Signing in on a connection, and making the account where that was asked for."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Literal

from clients.address import Address
from clients.errors import (
    AccountNotFound,
    NoBroker,
    RequestRefused,
    TurnedAway,
    WrongPassword,
    refusal,
)
from clients.link import Link
from clients.questions import Questions, Then
from protocol.incoming import Reply
from protocol.reasons import Reason
from protocol.requests import Connect, Create

SIGN_IN = "sign in"  # the id of the request that signs in

WhenMissing = bool | Literal["new"]  # make the account never, when there is none, or in any case


class SignIn:
    """An account's way in: the two requests for it, and the password, which may change."""

    def __init__(
        self,
        questions: Questions,
        connect: Callable[[], Connect],
        create: Callable[[], Create],
        password: str | None,
    ) -> None:
        self._questions = questions
        self._connect = connect
        self._create = create
        self.password = password
        self._next_password: str | None = None  # while it is being changed

    @contextmanager
    def changing_to(self, password: str) -> Iterator[None]:
        """Sign in with the old or the new password while it is being changed, then the new."""
        self._next_password = password
        try:
            yield
            self.password = password
        finally:
            self._next_password = None

    async def on(self, link: Link, create: WhenMissing, then: Then) -> Reply:
        """Sign in on `link` and return the reply; `then` is called with it.

        Raises:
            RequestRefused: the account is not let in, or cannot be made.
            Unanswered: the connection ended before the reply came.
        """
        if create == "new":
            return await self._ask(link, self._create(), then)
        try:
            return await self._ask(link, self._connect(), then)
        except AccountNotFound:
            if not create:
                raise
            return await self._make(link, then)
        except WrongPassword:
            if self._next_password is not None:
                # The change was carried out, and its answer lost.
                self.password, self._next_password = self._next_password, None
                return await self._ask(link, self._connect(), then)
            if not create or (reply := await self._make_if_missing(link, then)) is None:
                raise
            return reply

    async def _make(self, link: Link, then: Then) -> Reply:
        made = await self._make_if_missing(link, then)
        # Else somebody made it in between.
        return made or await self._ask(link, self._connect(), then)

    async def _make_if_missing(self, link: Link, then: Then) -> Reply | None:
        """Make the account; return None where there is one.

        Where every account needs a password the broker does not tell in another way.
        """
        try:
            return await self._ask(link, self._create(), then)
        except RequestRefused as refused:
            if refused.reason != Reason.ACCOUNT_EXISTS:
                raise
            return None

    async def _ask(self, link: Link, request: Connect | Create, then: Then) -> Reply:
        """Ask to be signed in, with the password where there is one."""
        if self.password is not None:
            request.password = self.password
        return await self._questions.ask(link, request, SIGN_IN, then)


def not_signed_in(
    link: Link, address: Address, error: Exception, timeout_s: float
) -> NoBroker | RequestRefused:
    """Return what it means that `link` ended, or took too long, before the reply."""
    if link.notice is not None and link.notice.reason == Reason.TAKEN_OVER:
        return refusal(link.notice)
    if link.notice is not None and not link.notice.reason:
        return TurnedAway(f"{address}: {link.notice.message}")
    fault = str(error) or f"it did not let us sign in within {timeout_s:g} s"
    return NoBroker(f"{address}: {fault}")
