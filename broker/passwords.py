"""Hashing passwords and checking them: argon2id, off the event loop, a few at a time."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

# What OWASP asks for at least. Each takes 19 MiB and about 20 ms of a core.
ITERATIONS, MEMORY_KIB, LANES = 2, 19 * 1024, 1

T = TypeVar("T")

WAITING_LIMIT = 2_000  # whoever comes when so many wait is told to come later


class TooMany(Exception):
    """As many passwords wait to be checked as may."""


class Passwords:
    """Hashes and checks in `threads` threads, which is also how many are under way at a time."""

    def __init__(self, threads: int) -> None:
        self._hasher = PasswordHasher(ITERATIONS, MEMORY_KIB, LANES)
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="passwords")
        self._free = asyncio.Semaphore(threads)
        self._waiting = 0
        self._nobodys: str | None = None

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Wait for a turn to hash or check, in the order of coming.

        Raises:
            TooMany: the queue is full.
        """
        if self._waiting >= WAITING_LIMIT:
            raise TooMany
        self._waiting += 1
        try:
            await self._free.acquire()
        finally:
            self._waiting -= 1
        try:
            yield
        finally:
            self._free.release()

    async def hash(self, password: str) -> str:
        """Return the hash to keep; within a turn."""
        return await self._off_the_loop(lambda: self._hasher.hash(password))

    async def matches(self, password_hash: str | None, password: str) -> bool:
        """Whether it is the password; within a turn. Where there is no hash it is not.

        Finding out takes the same time for both.
        """
        return await self._off_the_loop(lambda: self._matches(password_hash, password))

    def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def prepare(self) -> None:
        """Make what a password is compared with where there is no account, before anyone asks."""
        self._nobodys = await self.hash(secrets.token_urlsafe())

    async def _off_the_loop(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, work)

    def _matches(self, password_hash: str | None, password: str) -> bool:
        try:
            fits = self._hasher.verify(password_hash or self._nobodys or "", password)
            return fits and password_hash is not None
        except (VerificationError, InvalidHashError):
            return False
