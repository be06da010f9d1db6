"""The broker under load: one that is started for the run, or one that runs already."""

import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from bench.interrupting import spawn
from bench.load import ROOT
from bench.wire import Address

# The broker's own command; it prints a line that ends with HOST:PORT when it can serve.
BROKER_COMMAND = [sys.executable, "-m", "app.main", "broker", "--port", "0"]
STOP_LIMIT_S = 60.0


class BrokerFailed(Exception):
    """The broker did not start or did not stop. It has said why on standard error."""


class Target:
    """A broker that runs already. What it costs is known only with its `pid`.

    Where several share a store the load is spread over their `addresses`.
    """

    can_restart = False

    def __init__(self, addresses: Sequence[Address], pid: int | None = None) -> None:
        self.addresses = [*addresses]
        self.pid = pid

    @property
    def address(self) -> Address:
        """The first of its addresses."""
        return self.addresses[0]

    @property
    def farthest(self) -> Address:
        """The last of its addresses: what is published at the first comes there from afar."""
        return self.addresses[-1]

    def restart(self) -> None:
        raise RuntimeError("this broker is not ours to restart")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Leave it as it is."""


class OwnTarget(Target):
    """A broker of our own, in a process of its own, from `with` until its block is left.

    `arguments` say where it keeps its state; `folder` is the one it runs in.
    """

    can_restart = True

    def __init__(self, folder: Path, arguments: Sequence[str]) -> None:
        super().__init__([("", 0)])
        self._folder = folder
        self._command = [*BROKER_COMMAND, *arguments]
        self._process: subprocess.Popen[bytes] | None = None

    def restart(self) -> None:
        """Stop it and start it again on the same data; it listens on return."""
        self._stop()
        self._start()

    def __enter__(self) -> Self:
        self._start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._stop()

    def _start(self) -> None:
        # Its defaults are measured, not the settings of whoever measures: neither their
        # environment nor the .env file of their working directory is read.
        kept = {name: value for name, value in os.environ.items() if not name.startswith("PUBSUB_")}
        self._process = spawn(
            self._command,
            cwd=self._folder,
            env=kept | {"PYTHONPATH": str(ROOT), "PUBSUB_LOG_LEVEL": "warning"},
            stdout=subprocess.PIPE,
        )
        try:
            self.addresses, self.pid = [self._listening(self._process)], self._process.pid
        except KeyboardInterrupt:
            self._stop(while_it_starts=True)
            raise

    @staticmethod
    def _listening(process: "subprocess.Popen[bytes]") -> Address:
        assert process.stdout is not None
        line = process.stdout.readline().decode()
        host, _, port = line.rpartition(" ")[2].rpartition(":")
        if not line:
            raise BrokerFailed(f"the broker ended with status {process.wait()}")
        return host, int(port)

    def _stop(self, *, while_it_starts: bool = False) -> None:
        """Stop it, where it runs. Before it heeds a signal, the signal itself ends it."""
        process, self._process = self._process, None
        if process is None:
            return
        process.send_signal(signal.SIGTERM)
        try:
            status = process.wait(STOP_LIMIT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise BrokerFailed(f"the broker did not stop within {STOP_LIMIT_S:g} s") from None
        finally:
            assert process.stdout is not None
            process.stdout.close()
        if status != 0 and not (while_it_starts and status == -signal.SIGTERM):
            raise BrokerFailed(f"the broker stopped with status {status}")
