"""Accounts, found by e-mail, and their e-mails, found by id."""

import base64
from functools import partial

import msgspec

from broker.store.interface import Account, Credentials
from broker.store.jetstream.bucket import Bucket
from broker.store.jetstream.connection import all_of
from protocol.names import Role

NUMBERS = "numbers"  # the key whose revisions are ids


class AccountRecord(msgspec.Struct, frozen=True):
    """At `email.` what there is to know of an account; at `id.` its e-mail alone."""

    email: str
    id: int = 0
    role: str = ""
    password_hash: str | None = None


class Accounts:
    """Makes, finds and takes away accounts.

    An id is written before the e-mail that makes the account be there, and taken away last: so
    who has an id finds its e-mail, and a crash leaves at most an id that nobody has.
    """

    def __init__(self, bucket: Bucket[AccountRecord], numbers: Bucket[None]) -> None:
        self._bucket = bucket
        self._numbers = numbers
        self._emails: dict[int, str] = {}  # "" is an account that is gone

    async def create(self, email: str, role: Role, password_hash: str | None) -> Account | None:
        found = await self._bucket.get(_by_email(email))
        if found.value is not None:
            return None
        account_id = await self._numbers.next_number(NUMBERS)
        revision = await self._bucket.put(_by_id(account_id), AccountRecord(email), 0)
        record = AccountRecord(email, account_id, role.value, password_hash)
        if not await self._bucket.made(_by_email(email), record, found.revision):
            await self._bucket.remove(_by_id(account_id), revision or 0)
            return None
        return Account(account_id, email, role)

    async def credentials(self, email: str) -> Credentials | None:
        record = (await self._bucket.get(_by_email(email))).value
        if record is None:
            return None
        return Credentials(
            Account(record.id, record.email, Role(record.role)), record.password_hash
        )

    async def set_password(self, account_id: int, password_hash: str) -> None:
        email = (await self._bucket.get(_by_id(account_id))).value
        while email is not None:
            found = await self._bucket.get(_by_email(email.email))
            if found.value is None or found.value.id != account_id:
                return
            record = msgspec.structs.replace(found.value, password_hash=password_hash)
            if await self._bucket.put(_by_email(email.email), record, found.revision) is not None:
                return

    async def exists(self, account_id: int) -> bool:
        return (await self._bucket.get(_by_id(account_id))).value is not None

    async def close(self, account_id: int) -> None:
        """Have the account's e-mail lead to nothing: nobody signs in any more."""
        self._emails[account_id] = ""
        email = (await self._bucket.get(_by_id(account_id))).value
        while email is not None:
            found = await self._bucket.get(_by_email(email.email))
            if found.value is None or found.value.id != account_id:
                return
            if await self._bucket.remove(_by_email(email.email), found.revision):
                return

    async def forget(self, account_id: int) -> None:
        """Take the id away, the last that there is of an account."""
        found = await self._bucket.get(_by_id(account_id))
        if found.value is not None:
            await self._bucket.remove(_by_id(account_id), found.revision)

    async def emails(self, ids: set[int]) -> dict[int, str]:
        """Return the e-mails of accounts, "" for one that is gone."""
        unknown = [one for one in ids if one not in self._emails]
        await all_of([partial(self._learn, account_id) for account_id in unknown])
        return {one: self._emails[one] for one in ids}

    async def _learn(self, account_id: int) -> None:
        found = await self._bucket.get(_by_id(account_id))
        # What was closed meanwhile stays so.
        self._emails.setdefault(account_id, found.value.email if found.value is not None else "")


def _by_email(email: str) -> str:
    return f"email.{coded(email)}"


def _by_id(account_id: int) -> str:
    return f"id.{account_id}"


def coded(text: str) -> str:
    """Return `text` in what a bucket's key may be made of."""
    return base64.urlsafe_b64encode(text.encode()).decode()


def decoded(text: str) -> str:
    """Return what was `coded`."""
    return base64.urlsafe_b64decode(text.encode()).decode()
