"""The measurements themselves: that they run to the end, and that their checks find faults."""

import asyncio
import json
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from bench.checking import Wrong, check_order, messages_v1, messages_v2
from bench.messages import PublishLines, broadcast_line, text, texts
from bench.stream import CommonStream

ROOT = Path(__file__).parent.parent.parent
TINY = ["--messages", "200", "--rounds", "1", "--subscribers", "3", "--publishers", "4"]


async def bench(*arguments: str) -> tuple[int, str, str]:
    """Run the measurements with `arguments`; return exit code, output and progress."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "bench", *TINY, *arguments),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        cwd=ROOT,
        env={key: value for key, value in os.environ.items() if not key.startswith("PUBSUB_")},
    )
    out, err = await process.communicate()
    assert process.returncode is not None
    return process.returncode, out.decode(), err.decode()


@pytest.mark.parametrize("works", [("publish", "ingest"), ("fanout", "latency")], ids=" ".join)
async def test_every_work_stands_beside_a_limit(works: tuple[str, ...]) -> None:
    code, out, err = await bench(*works, "--json")
    assert code == 0, err
    report = json.loads(out)
    assert [outcome["work"] for outcome in report["outcomes"]] == [*works]
    for outcome in report["outcomes"]:
        assert outcome["figures"][0]["best"] > 0
        assert outcome["figures"][0]["ratio"] > 0
    assert [limit["name"] for limit in report["machine"]] == ["bare commits", "bare fdatasync"]


async def test_unread_is_read_from_the_cache_and_after_a_restart() -> None:
    code, out, err = await bench("unread", "--no-limits")
    assert code == 0, err
    assert "unread, from cache" in out
    assert "unread, restarted" in out


async def test_the_library_is_measured_too() -> None:
    code, out, err = await bench("library", "--no-limits")
    assert code == 0, err
    assert "library" in out


async def test_version_2_is_measured_too() -> None:
    code, out, err = await bench("publish", "unread", "--version", "2", "--no-limits")
    assert code == 0, err
    assert "Version 2. Nothing was lost, doubled or reordered." in out


async def test_an_unknown_work_is_wrong_usage() -> None:
    code, _, err = await bench("publsh")
    assert code == 2
    assert "'publsh' is none of publish, library" in err


def lose(messages: list[str]) -> None:
    del messages[3]


def lose_the_last(messages: list[str]) -> None:
    messages.pop()


def double(messages: list[str]) -> None:
    messages.insert(4, messages[3])


def reorder(messages: list[str]) -> None:
    messages[3], messages[4] = messages[4], messages[3]


def damage(messages: list[str]) -> None:
    messages[3] = messages[3].replace("xx", "xy", 1)


def swap_for_anothers(messages: list[str]) -> None:
    messages[3] = text(1, 3)


FAULTS: Sequence[tuple[Callable[[list[str]], None], str]] = [
    (lose, "lost or reordered: message 4 of publisher 0 came when 3 was next"),
    (lose_the_last, "lost: publisher 0 sent 9 messages and 8 came"),
    (double, "doubled or reordered: message 3 of publisher 0 came after 3"),
    (reorder, "lost or reordered: message 4 of publisher 0 came when 3 was next"),
    (damage, "a message was damaged"),
    (swap_for_anothers, "a message was damaged"),
]


@pytest.mark.parametrize(("fault", "told"), FAULTS, ids=lambda one: getattr(one, "__name__", ""))
def test_a_fault_between_publisher_and_subscriber_is_told(
    fault: Callable[[list[str]], None], told: str
) -> None:
    messages = [*texts(0, 9)]
    check_order(messages, publishers=1, each=9)
    fault(messages)
    with pytest.raises(Wrong, match=told):
        check_order(messages, publishers=1, each=9)


def test_publishers_may_be_mixed_in_any_way_that_keeps_the_order_of_each() -> None:
    mixed = [text(1, 0), text(0, 0), text(0, 1), text(1, 1)]
    check_order(mixed, publishers=2, each=2)
    with pytest.raises(Wrong, match="message 1 of publisher 0 came when 0 was next"):
        check_order([mixed[0], mixed[2], mixed[1], mixed[3]], publishers=2, each=2)


def test_only_the_lines_of_the_delivery_are_taken() -> None:
    line = broadcast_line(text(0, 0)).rstrip()
    assert messages_v1([line], "broadcast") == [text(0, 0)]
    for other in (line.replace(b"broadcast", b"unread"), line + b" ", b'{"action":"error"}', b""):
        with pytest.raises(Wrong, match="this is no broadcast line"):
            messages_v1([other], "broadcast")


def test_a_version_2_block_must_go_on_where_the_one_before_ended() -> None:
    def block(seq: int, *numbers: int) -> bytes:
        messages = [text(0, number) for number in numbers]
        return json.dumps({"action": "broadcast", "seq": seq, "messages": messages}).encode()

    both = [block(1, 0, 1), block(3, 2)]
    assert messages_v2(both, "broadcast") == [*texts(0, 3)]
    with pytest.raises(Wrong, match="seq 4 came when 3 was next"):
        messages_v2([both[0], block(4, 2)], "broadcast")


def test_readers_of_one_stream_must_get_the_same_bytes_however_they_are_cut() -> None:
    whole = b"".join(map(broadcast_line, texts(0, 3)))
    for cut in range(len(whole) + 1):
        stream = CommonStream(messages=3)
        ahead = stream.take(0, memoryview(whole)[:cut])
        behind = stream.take(0, memoryview(whole))
        assert stream.take(ahead, memoryview(whole)[cut:]) == behind == len(whole)
        assert stream.complete
        assert stream.data == whole
    with pytest.raises(Wrong, match="different bytes"):
        stream.take(0, memoryview(whole.replace(b"0001", b"0007")))


def test_publish_lines_are_cut_at_any_message() -> None:
    for version in (1, 2):
        lines = PublishLines("topic", 0, count=12, version=version)
        messages = [json.loads(line)["msg"] for line in bytes(lines.between(5, 11)).splitlines()]
        assert messages == [text(0, number) for number in range(5, 11)]
