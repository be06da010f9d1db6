"""The gate: whose e-mail and password let a connection in."""

from math import ceil

from msgspec import UNSET, UnsetType

from broker.passwords import Passwords, TooMany
from broker.settings import Auth
from broker.store.interface import Account, Credentials, Store
from broker.throttle import Throttle
from protocol import names
from protocol.names import Role
from protocol.reasons import Reason, RequestRefused

Password = str | UnsetType


class Gate:
    """Makes accounts and checks who signs in to them.

    An account that has a password always needs it. With `Auth.PASSWORD` every account needs
    one, and nobody learns from the answer to a sign-in, nor from its time, whether there is
    such an account.
    """

    def __init__(self, store: Store, auth: Auth, threads: int) -> None:
        self._store = store
        self._auth = auth
        self._passwords = Passwords(threads)
        self.throttle = Throttle()
        self._gone: set[int] = set()  # accounts that are deleted: no id is used again

    async def prepare(self) -> None:
        if self._auth is Auth.PASSWORD:
            await self._passwords.prepare()

    def close(self) -> None:
        self._passwords.close()

    def expel(self, account_id: int) -> None:
        """Let nobody in to the account any more, as if it were not there."""
        self._gone.add(account_id)

    def check_there(self, account: Account) -> None:
        """Refuse a sign-in that was let in, where the account was deleted since."""
        if account.id in self._gone:
            raise account_gone(account)

    async def create(self, email: str, role: Role, password: Password) -> Account:
        """Return the new account.

        Raises:
            RequestRefused: there is one of that e-mail, or the password cannot be its.
        """
        password_hash = None
        if password is not UNSET:
            password_hash = await self._hash(names.new_password(password))
        elif self._auth is Auth.PASSWORD:
            raise _needed(email)
        account = await self._store.create_account(email, role, password_hash)
        if account is None:
            raise RequestRefused(
                Reason.ACCOUNT_EXISTS, f"{email} has an account already; sign in with connect"
            )
        return account

    async def admit(self, email: str, password: Password, address: str) -> Account:
        """Return the account of `email`, to whose session somebody at `address` has a right.

        Raises:
            RequestRefused: there is no account, or it takes another password.
        """
        if self._auth is Auth.PASSWORD:
            if password is UNSET:
                raise _needed(email)
            found = await self._find(email)
            password_hash = found.password_hash if found is not None else None
            await self._check(email, password_hash, password, address)
            assert found is not None
            return found.account
        found = await self._find(email)
        if found is None:
            raise _not_found(email)
        await self._check_if_any(email, found.password_hash, password, address)
        return found.account

    async def change(self, account: Account, old: Password, new: str, address: str) -> None:
        """Give `account` the password `new`; `old` is the one it has, if any.

        Raises:
            RequestRefused: it has another, or `new` cannot be a password.
        """
        names.new_password(new)
        found = await self._store.credentials(account.email)
        if found is None:
            raise RequestRefused(Reason.ACCOUNT_NOT_FOUND, f"{account.email} has no account")
        if found.password_hash is not None and old is UNSET:
            raise _needed(account.email, "old_password")
        await self._check_if_any(account.email, found.password_hash, old, address)
        await self._store.set_password(account.id, await self._hash(new))

    async def _find(self, email: str) -> Credentials | None:
        found = await self._store.credentials(email)
        return None if found is None or found.account.id in self._gone else found

    async def _check_if_any(
        self, email: str, password_hash: str | None, password: Password, address: str
    ) -> None:
        if password_hash is None:
            return
        if password is UNSET:
            raise _needed(email)
        await self._check(email, password_hash, password, address)

    async def _check(
        self, email: str, password_hash: str | None, password: str, address: str
    ) -> None:
        try:
            async with self._passwords.turn():
                # Only now: who waited for the turn may have failed often enough meanwhile.
                wait_s = self.throttle.wait_s(email, address)
                if wait_s > 0:
                    raise _later(f"after too many wrong passwords try again in {ceil(wait_s)} s")
                if not await self._passwords.matches(password_hash, password):
                    self.throttle.failed(email, address)
                    raise RequestRefused(
                        Reason.WRONG_PASSWORD,
                        f"the e-mail {email} or the password is wrong; correct it, or make an"
                        " account with create",
                    )
                self.throttle.succeeded(email, address)
        except TooMany:
            raise _busy() from None

    async def _hash(self, password: str) -> str:
        try:
            async with self._passwords.turn():
                return await self._passwords.hash(password)
        except TooMany:
            raise _busy() from None


def account_gone(account: Account) -> RequestRefused:
    """Return the refusal of a sign-in to an account that was deleted since it was let in."""
    return _not_found(account.email)


def _not_found(email: str) -> RequestRefused:
    return RequestRefused(
        Reason.ACCOUNT_NOT_FOUND, f"{email} has no account yet; make one with create"
    )


def _needed(email: str, key: str = "password") -> RequestRefused:
    return RequestRefused(
        Reason.PASSWORD_NEEDED, f"{email} needs a password here; send it as {key}"
    )


def _busy() -> RequestRefused:
    return _later("too many passwords are being checked right now; try again in a moment")


def _later(text: str) -> RequestRefused:
    return RequestRefused(Reason.TRY_LATER, text)
