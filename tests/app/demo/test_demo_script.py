"""The steps as plain text: what is said, how it ends, and that nothing is left."""

import asyncio
import os
import re
import signal
import subprocess
from pathlib import Path

import pytest

from app.demo.outcome import Missed, Outcome, failure
from app.demo.script import Script
from app.demo.steps import STEPS
from broker.store.jetstream import JetStreamStore
from broker.store.jetstream.store import BUCKETS
from clients import NoBroker
from tests.nats import NatsServer
from tests.patience import until
from tests.process import PUBSUB, ROOT, environment, run
from tests.terminal import terminal


@pytest.mark.slow
@pytest.mark.timeout(60)
async def test_every_step_of_the_demonstration_does_what_it_says(tmp_path: Path) -> None:
    """Without a terminal the steps are played as text, with `--script` or not."""
    others = "nats://127.0.0.1:1"  # a broker's store is none of the demonstration's
    env = {"TMPDIR": str(tmp_path), "PYTHONUTF8": "1", "PUBSUB_STORE": others}
    ended = await run("demo", env=env)
    text = ended.out.decode()
    assert (ended.code, ended.err) == (0, ""), text
    assert text.count("\n  ok: ") == len(STEPS)
    assert "FAILED" not in text
    assert text.endswith(f"All {len(STEPS)} steps did what they say.\n")
    assert [*tmp_path.iterdir()] == []


@pytest.mark.slow
@pytest.mark.timeout(60)
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGHUP])
async def test_a_signal_in_the_middle_leaves_no_process_and_no_folder(
    tmp_path: Path, number: signal.Signals
) -> None:
    process = await asyncio.create_subprocess_exec(
        *[*PUBSUB, "demo", "--script"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=ROOT,
        env=environment({"TMPDIR": str(tmp_path), "PYTHONUNBUFFERED": "1", "PYTHONUTF8": "1"}),
    )
    assert process.stdout is not None
    said = await process.stdout.readuntil(b"Step 2 of 7")
    process.send_signal(number)
    rest, err = await process.communicate()
    assert (process.returncode, err) == (128 + number, b"")
    assert b"Step 7" not in rest
    (broker,) = re.findall(rb"process (\d+) serves", said)
    with pytest.raises(ProcessLookupError):
        os.kill(int(broker), 0)
    assert [*tmp_path.iterdir()] == []


@pytest.mark.slow
@pytest.mark.timeout(60)
async def test_a_killed_script_takes_its_broker_with_it(tmp_path: Path) -> None:
    process = await asyncio.create_subprocess_exec(
        *[*PUBSUB, "demo", "--script"],
        stdout=subprocess.PIPE,
        cwd=ROOT,
        env=environment({"TMPDIR": str(tmp_path), "PYTHONUNBUFFERED": "1", "PYTHONUTF8": "1"}),
    )
    assert process.stdout is not None
    said = await process.stdout.readuntil(b"Step 1 of 7")
    (broker,) = re.findall(rb"process (\d+) serves", said)
    process.kill()
    await process.wait()
    await until(lambda: not Path(f"/proc/{int(broker)}").exists())


@pytest.mark.slow
@pytest.mark.timeout(60)
async def test_on_a_terminal_the_screen_opens_and_q_leaves_nothing_behind(tmp_path: Path) -> None:
    folder = tmp_path / "temporary"
    folder.mkdir()
    async with terminal("demo", home=tmp_path, env={"TMPDIR": str(folder)}) as screen:
        await screen.until("serving", 40)
        screen.press("q")
        assert await screen.code() == 0
        # The screen of its own went away again, and what was there before is back.
        assert b"\x1b[?1049h" in screen.written
        await until(lambda: b"\x1b[?1049l" in screen.written)
        assert [*folder.iterdir()] == []


def test_a_failure_shows_what_was_expected_and_what_came(
    capsys: pytest.CaptureFixture[str],
) -> None:
    script = Script()
    script.announces(2, 7, STEPS[1])
    script.ends(Outcome(False, "3 messages [/x]", "2\x1b[31m of them"))
    out = capsys.readouterr().out
    assert "Step 2 of 7" in out
    assert "FAILED: expected 3 messages [/x]\n" in out
    assert r"came 2\x1b[31m of them" in out


def test_an_outcome_tells_the_fault_that_was_at_the_bottom() -> None:
    group = ExceptionGroup("", [ExceptionGroup("", [Missed("one", "none")])])
    assert failure("all", group) == Outcome(False, "one", "none")
    assert failure("all", NoBroker("nobody there")) == Outcome(False, "all", "nobody there")
    assert failure("all", KeyError("x")) == Outcome(False, "all", "KeyError('x')")


@pytest.mark.slow
@pytest.mark.timeout(60)
async def test_on_nats_every_step_does_what_it_says_and_nothing_is_left(
    jetstream: str, nats: NatsServer, tmp_path: Path
) -> None:
    operators = JetStreamStore(jetstream)
    await operators.open()
    await operators.close()
    before = await nats.streams()
    env = {"TMPDIR": str(tmp_path), "PYTHONUTF8": "1", "PUBSUB_DEMO_STORE": jetstream}
    ended = await run("demo", "--script", env=env)
    text = ended.out.decode()
    assert (ended.code, ended.err) == (0, ""), text
    assert text.count("\n  ok: ") == len(STEPS)
    assert "real NATS JetStream" in text
    assert "PostgreSQL" not in text
    assert await nats.streams() == before
    assert [*tmp_path.iterdir()] == []


@pytest.mark.slow
@pytest.mark.timeout(60)
async def test_a_signal_in_the_middle_leaves_nothing_in_nats(
    jetstream: str, nats: NatsServer
) -> None:
    before = await nats.streams()
    process = await asyncio.create_subprocess_exec(
        *[*PUBSUB, "demo", "--script", "--store", jetstream],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=ROOT,
        env=environment({"PYTHONUNBUFFERED": "1", "PYTHONUTF8": "1"}),
    )
    assert process.stdout is not None
    await process.stdout.readuntil(b"Step 1 of 7")
    assert len(await nats.streams() - before) > len(BUCKETS)
    process.send_signal(signal.SIGINT)
    _, err = await process.communicate()
    assert (process.returncode, err) == (128 + signal.SIGINT, b"")
    assert await nats.streams() == before


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("nats://127.0.0.1:1", "NATS at 127.0.0.1:1 cannot be reached: "),
        ("postgresql://127.0.0.1:1/x", "PostgreSQL at 127.0.0.1:1/x cannot be used: "),
    ],
)
async def test_a_store_that_is_not_there_is_told_in_a_sentence(url: str, told: str) -> None:
    ended = await run("demo", "--script", "--store", url)
    assert (ended.code, ended.err) == (1, "")
    assert ended.out.decode().splitlines()[-1].startswith(told)


@pytest.mark.parametrize("how", [["--script"], ["--web", "0"]])
async def test_what_is_no_store_is_wrong_usage(how: list[str]) -> None:
    ended = await run("demo", *how, "--store", "mysql://me:secret@h/x\x1b[2J")
    assert (ended.code, ended.out) == (2, b"")
    told = ended.err.splitlines()[-1]
    assert told == "pubsub: --store takes a URL that begins with nats:// or postgresql://"
    assert "PUBSUB_DEMO_STORE keeps it from them" in ended.err
