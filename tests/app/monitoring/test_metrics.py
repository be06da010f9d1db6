"""The metrics, read by Prometheus' own parser."""

import re
from dataclasses import replace

import pytest
from aiohttp import ClientSession
from prometheus_client.parser import text_string_to_metric_families as parsed

from app.monitoring.exposition import exposition
from app.monitoring.metrics import TOPICS, metrics
from broker import Broker
from broker.snapshot import Condition, Snapshot, TopicFigures
from tests.wire import Wire

HOSTILE = 'a "quoted"\\name\nwith } and = and \N{SNOWMAN}'


@pytest.fixture
async def now(broker: Broker) -> Snapshot:
    return broker.snapshot()


def values(text: str) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    """Return every sample under its name and labels, of which no two may be the same."""
    found: dict[tuple[str, tuple[tuple[str, str], ...]], float] = {}
    for family in parsed(text):
        for sample in family.samples:
            key = (sample.name, tuple(sorted(sample.labels.items())))
            assert key not in found
            found[key] = sample.value
    return found


async def test_what_is_published_delivered_and_unread_is_told_exactly(
    broker: Broker, http: ClientSession
) -> None:
    publisher, subscriber = await Wire.open(broker.port), await Wire.open(broker.port)
    await publisher.ask("create", user_email="p@b.c", user_type="publisher")
    await publisher.ask("create_topic", topic_name="T")
    await subscriber.ask("create", user_email="s@b.c", user_type="subscriber", version=2)
    await subscriber.ask("subscribe", topic_name="T")
    for _ in range(5):
        await publisher.ask("publish_msg", topic_name="T", msg="x")
    await publisher.ask("publish_msg", topic_name="none", msg="x")
    await broker.census._look_at_store()
    async with http.get("/metrics") as answer:
        assert answer.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
        told = values(await answer.text())
    assert told["pubsub_messages_published_total", ()] == 5
    assert told["pubsub_messages_delivered_total", ()] == 5
    assert told["pubsub_requests_refused_total", ()] == 1
    assert told["pubsub_unread_messages", ()] == 5
    assert told["pubsub_sessions", (("role", "publisher"),)] == 1
    assert told["pubsub_topic_messages_total", (("topic", "T"),)] == 5
    assert told["pubsub_topic_unread_messages", (("topic", "T"),)] == 5
    assert 0 < told["pubsub_topic_oldest_unread_seconds", (("topic", "T"),)] < 60
    assert told["pubsub_oldest_unread_seconds", ()] > 0
    assert told["pubsub_healthy", ()] == 1
    for wire in (publisher, subscriber):
        await wire.close()


def test_every_metric_has_a_help_a_type_and_a_name_that_says_both(now: Snapshot) -> None:
    text = exposition(metrics(now))
    helped = re.findall(r"^# HELP (\S+) \S.*\.$", text, re.MULTILINE)
    typed = dict(re.findall(r"^# TYPE (\S+) (counter|gauge)$", text, re.MULTILINE))
    assert helped == [*typed]
    for name, kind in typed.items():
        assert re.fullmatch(r"(pubsub|process)_[a-z_]+", name)
        assert name.endswith("_total") == (kind == "counter")
    assert {family.documentation for family in parsed(text)} <= set(
        re.findall(r"^# HELP \S+ (.*)$", text, re.MULTILINE)
    )


def test_a_hostile_topic_name_comes_back_as_it_was(now: Snapshot) -> None:
    text = exposition(metrics(replace(now, topics=(TopicFigures(HOSTILE, 7, 0),))))
    assert values(text)["pubsub_topic_messages_total", (("topic", HOSTILE),)] == 7
    assert "\ud800" not in exposition(metrics(replace(now, topics=(TopicFigures("\ud800", 7, 0),))))


def test_what_is_not_known_has_no_sample_and_no_publishes_no_number(now: Snapshot) -> None:
    told = values(exposition(metrics(replace(now, unread=None, data_bytes=None))))
    assert ("pubsub_unread_messages", ()) not in told
    assert ("pubsub_data_bytes", ()) not in told
    waited = told["pubsub_publish_seconds", (("quantile", "0.99"),)]
    assert waited != waited  # no number


@pytest.mark.parametrize("condition", Condition)
def test_the_condition_is_one_of_all_there_are(now: Snapshot, condition: Condition) -> None:
    told = values(exposition(metrics(replace(now, condition=condition))))
    for one in Condition:
        assert told["pubsub_condition", (("condition", one.value),)] == (one is condition)
    assert told["pubsub_healthy", ()] == (condition is Condition.SERVING)


def test_no_more_topics_than_the_bound_have_lines(now: Snapshot) -> None:
    topics = tuple(TopicFigures(f"T{number}", number, 0, 1, 1, 1.0) for number in range(1_000))
    text = exposition(metrics(replace(now, topics=topics)))
    assert text.count("pubsub_topic_messages_total{") == TOPICS
    assert text.count("{topic=") == 4 * TOPICS
