"""The broker as a process of its own, so that `kill -9` is what it says.

As `python -m app.demo.broker_process PORT` this is that process: what `pubsub broker --store
STORE --port PORT` runs, on a leash. It ends at once when whoever started it is gone, however
that ended, because standard input ends then. The store's URL comes in the environment: a
password in it is nobody's who lists the processes.
"""

import asyncio
import contextlib
import os
import subprocess
import sys
import threading

from app.processes import own_environment, own_python

START_S = 30.0
STORE = "PUBSUB_DEMO_STORE"


class CannotStart(OSError):
    """The broker's process did not come up; the text says what it said."""


class BrokerProcess:
    """A running broker, on the store at `store`."""

    def __init__(self, process: asyncio.subprocess.Process, port: int) -> None:
        self._process = process
        self.pid = process.pid
        self.port = port

    @classmethod
    async def start(cls, store: str, port: int = 0) -> "BrokerProcess":
        """Start it on `port`, or on any free one; return when it can serve.

        A cancel or a failure leaves no process behind.

        Raises:
            CannotStart: it ended instead, or took longer than half a minute.
        """
        process = await asyncio.create_subprocess_exec(
            *own_python("app.demo.broker_process"),
            str(port),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=own_environment() | {STORE: store},
            start_new_session=True,  # the terminal's Ctrl-C is for us, not for it
        )
        try:
            return cls(process, await _port(process))
        except BaseException:
            await _kill(process)
            raise

    async def kill(self) -> None:
        """Kill it as `kill -9` does. Harmless when repeated."""
        await _kill(self._process)


async def _port(process: asyncio.subprocess.Process) -> int:
    assert process.stdout is not None
    assert process.stderr is not None
    try:
        async with asyncio.timeout(START_S):
            line = (await process.stdout.readline()).decode()
            if line.startswith("listening on "):
                return int(line.rpartition(":")[2])
            said = (await process.stderr.read()).decode(errors="replace").strip()
    except TimeoutError:
        raise CannotStart(f"the broker did not start within {START_S:g} s") from None
    raise CannotStart(f"the broker did not start: {said or 'it said nothing'}")


async def _kill(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
    await process.communicate()  # and nothing of its pipes is left


def _end_with_parent() -> None:
    os.read(0, 1)  # nothing is ever written to it
    os._exit(0)


def main() -> None:
    from app.commands import broker

    threading.Thread(target=_end_with_parent, daemon=True).start()
    (port,) = sys.argv[1:]
    broker.run(
        broker.Options(
            host="127.0.0.1",
            port=int(port),
            data_dir=None,
            store=os.environ[STORE],
            tls_cert=None,
            tls_key=None,
            allow_unsafe_store=False,
            auth="open",
            insecure=False,
            max_connections=1_000,
            max_connections_per_address=None,
            sign_in_s=60.0,
            dead_peer_s=60,
            max_unfinished_kb=4096,
            cache_mb=128,
            max_message_kb=1024,
            store_wait_s=30.0,
            retain_for=None,
            retain_bytes=None,
            log_level="error",
        )
    )


if __name__ == "__main__":
    main()
