"""Ctrl-C at the worst of moments."""

import signal
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from bench.interrupting import spawn


@pytest.fixture
def _ctrl_c_interrupts() -> Iterator[None]:
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("_ctrl_c_interrupts")
def test_ctrl_c_while_a_process_is_started_leaves_no_process(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    started: list[subprocess.Popen[bytes]] = []
    popen = subprocess.Popen

    def interrupted(*arguments: Any, **options: Any) -> "subprocess.Popen[bytes]":
        started.append(popen(*arguments, **options))
        signal.raise_signal(signal.SIGINT)
        return started[-1]

    monkeypatch.setattr(subprocess, "Popen", interrupted)
    with pytest.raises(KeyboardInterrupt):
        spawn([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    (process,) = started
    assert process.returncode == -signal.SIGKILL
    assert process.stdin is not None
    process.stdin.close()
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
