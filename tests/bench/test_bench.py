"""The measurements themselves: that they run to the end, and that their checks find faults."""

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from bench.checking import Wrong, check_order, messages_v1, messages_v2
from bench.dialect import Pubsub
from bench.limits import BareStore
from bench.measurement import WORKS, Measurement
from bench.messages import broadcast_line, text, texts
from bench.outcome import Outcome
from bench.scale import Scale
from bench.stream import CommonStream
from bench.target import OwnTarget, Target
from bench.works import Works

SMALL = replace(
    Scale().of(40),
    rounds=1,
    subscribers=3,
    publishers=4,
    connections=(20,),
    idle_messages=3,
    idle_per_s=100.0,
)


def measured(
    work: str, target: Target, store: BareStore | None = None, version: int = 1
) -> list[Outcome]:
    works = Works(target, version)
    return Measurement(works, SMALL, store, warming_up=False).run(work)


@pytest.mark.parametrize("work", ["publish", "library", "fanout", "ingest", "latency", "idle"])
def test_every_work_stands_beside_a_limit(work: str, target: OwnTarget, store: BareStore) -> None:
    (outcome,) = measured(work, target, store)
    assert outcome.work.startswith(work)
    # Twenty connections may fit in memory that the broker has already.
    assert all(figure.best > 0 for figure in outcome.figures if figure.unit != "bytes each")
    assert sum(figure.ratio is not None for figure in outcome.figures) == 1


def test_the_tested_works_are_all_but_unread() -> None:
    assert {*WORKS} == {"publish", "library", "fanout", "ingest", "latency", "idle", "unread"}


def test_unread_is_read_from_the_cache_and_after_a_restart(target: OwnTarget) -> None:
    outcomes = measured("unread", target)
    assert [one.work for one in outcomes] == ["unread, from cache", "unread, restarted"]


def test_a_broker_that_is_not_ours_is_not_restarted(target: OwnTarget) -> None:
    outcomes = measured("unread", Target(target.addresses, target.pid))
    assert [one.work for one in outcomes] == ["unread, from cache"]


@pytest.mark.parametrize("work", ["publish", "library", "fanout", "ingest", "latency"])
async def test_the_load_is_spread_over_brokers_that_share_a_store(
    work: str, database: str, tmp_path: Path
) -> None:
    place = ["--store", database]
    with OwnTarget(tmp_path, place) as one, OwnTarget(tmp_path, place) as other:
        both = Target([*one.addresses, *other.addresses])
        (outcome,) = measured(work, both)
    assert all(figure.best > 0 for figure in outcome.figures)


@pytest.mark.parametrize("work", ["publish", "unread", "idle"])
def test_version_2_is_measured_too(work: str, target: OwnTarget) -> None:
    outcome, *_ = measured(work, target, version=2)
    assert outcome.figures[-1].best > 0


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
        lines = Pubsub(version).lines("topic", 0, count=12)
        messages = [json.loads(line)["msg"] for line in bytes(lines.between(5, 11)).splitlines()]
        assert messages == [text(0, number) for number in range(5, 11)]
