"""`pubsub bench`, as a person calls it."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

import pytest

from app.commands import bench
from bench.checking import Wrong
from broker import Broker
from tests.process import PUBSUB, environment, run

FEW = ["--messages", "20", "--rounds", "1", "--no-limits"]


async def test_a_broker_that_runs_is_measured_and_told_as_json(broker: Broker) -> None:
    address = f"127.0.0.1:{broker.port}"
    ended = await run("bench", "publish", *FEW, "--connect", address, "--version", "2", "--json")
    assert ended.code == 0, ended.err
    report = json.loads(ended.out)
    assert report["version"] == 2
    assert report["about"]["command"].startswith("pubsub bench publish")
    (outcome,) = report["outcomes"]
    assert outcome["figures"][0]["best"] > 0
    assert "publish: round 1 of 1" in ended.err


async def test_a_person_gets_a_table_and_a_page_has_one(broker: Broker) -> None:
    command = ["bench", "latency", *FEW, "--connect", f"127.0.0.1:{broker.port}"]
    for_a_person, page = await asyncio.gather(run(*command), run(*command, "--markdown"))
    assert "latency, p99.9" in for_a_person.out.decode()
    assert "Nothing was lost, doubled or reordered." in for_a_person.out.decode()
    assert "| latency, p99.9 |" in page.out.decode()
    assert "- date: " in page.out.decode()


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["publsh"], "'publsh' is none of publish, library"),
        (["--version", "3"], "--version takes 1 or 2"),
        (["--connect", "here:there"], "is not an address"),
    ],
)
async def test_what_cannot_be_measured_is_wrong_usage(arguments: list[str], told: str) -> None:
    ended = await run("bench", *arguments)
    assert ended.code == 2
    assert told in ended.err


async def test_a_broker_that_is_not_there_is_told() -> None:
    ended = await run("bench", "publish", "--no-limits", "--connect", "127.0.0.1:1")
    assert ended.code == 1
    assert "refused" in ended.err


def test_a_lost_message_ends_the_command_with_1(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def lose(plan: object) -> NoReturn:
        raise Wrong("lost: publisher 0 sent 9 messages and 8 came")

    monkeypatch.setattr(bench, "measure", lose)
    with pytest.raises(SystemExit) as ending:
        bench.run(
            bench.Options(
                works=["publish"],
                connect=None,
                pid=None,
                version=1,
                messages=None,
                rounds=1,
                subscribers=1,
                publishers=1,
                connections=[],
                limits=False,
                folder=None,
                json=False,
                markdown=False,
            )
        )
    assert ending.value.code == 1
    assert "WRONG: lost: publisher 0" in capsys.readouterr().err


def processes_with(mark: str) -> Iterator[int]:
    """Yield the processes whose command or environment names `mark`."""
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            known = (folder / "cmdline").read_bytes() + (folder / "environ").read_bytes()
        except OSError:
            continue  # it has ended, or is somebody else's
        if mark.encode() in known:
            yield int(folder.name)


on_linux = pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="looks for processes in /proc"
)


@on_linux
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_ctrl_c_while_a_broker_starts_leaves_no_process_and_no_file(
    number: signal.Signals, tmp_path: Path
) -> None:
    await interrupt("starting a broker", number, tmp_path)


@on_linux
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_ctrl_c_under_load_leaves_no_process_and_no_file(
    number: signal.Signals, broker: Broker, tmp_path: Path
) -> None:
    connect = ["--connect", f"127.0.0.1:{broker.port}"]
    await interrupt("publish: warming up", number, tmp_path, *connect)


async def interrupt(at: str, number: signal.Signals, folder: Path, *arguments: str) -> None:
    """Send `number` when the progress says `at`, and look for what is left in `folder`."""
    process = await asyncio.create_subprocess_exec(
        *(*PUBSUB, "bench", "publish", "--no-limits", "--dir", str(folder), *arguments),
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
        env=environment({"MARK_OF_THE_TEST": str(folder)}),
        start_new_session=True,
    )
    assert process.stderr is not None
    while at not in (line := (await process.stderr.readline()).decode()):
        assert line, "it ended before that"
    # A terminal's Ctrl-C goes to the whole group; what else ends a command goes to it alone.
    (os.killpg if number == signal.SIGINT else os.kill)(process.pid, number)
    rest = (await process.stderr.read()).decode()
    assert await process.wait() == 130, rest
    assert "Traceback" not in rest
    assert [*processes_with(str(folder))] == []
    assert [*folder.iterdir()] == []
