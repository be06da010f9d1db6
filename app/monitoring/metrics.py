"""The metrics, made of a snapshot when somebody asks: nothing is counted for them alone."""

import platform
from collections.abc import Callable, Iterator
from math import nan

from app.monitoring.exposition import Kind, Metric, Sample
from app.monitoring.health import reasons
from app.monitoring.process import process_metrics
from broker.release import release
from broker.snapshot import Condition, Snapshot, TopicFigures

TOPICS = 100  # the busiest, which have lines of their own


def metrics(now: Snapshot) -> Iterator[Metric]:
    """Yield every metric there is. What is not known, or not known yet, has no sample."""
    yield from _state(now)
    yield from _traffic(now)
    yield from _clients(now)
    yield from _data(now)
    yield from _topics(now)
    yield from process_metrics()


def _state(now: Snapshot) -> Iterator[Metric]:
    yield Metric(
        "pubsub_build_info",
        "Always 1; the labels tell which release runs on which Python.",
        Kind.GAUGE,
        [Sample(1, {"version": release(), "python": platform.python_version()})],
    )
    yield _gauge("pubsub_uptime_seconds", "How long the broker has served.", now.up_s)
    yield _gauge(
        "pubsub_healthy", "1 while publishes are taken, as /healthz says.", int(not reasons(now))
    )
    yield Metric(
        "pubsub_condition",
        "1 for the condition the broker is in, 0 for all others.",
        Kind.GAUGE,
        [Sample(int(now.condition is one), {"condition": one.value}) for one in Condition],
    )


def _traffic(now: Snapshot) -> Iterator[Metric]:
    yield _gauge("pubsub_other_brokers", "Other brokers heard of on the same store.", now.others)
    yield _counter(
        "pubsub_messages_published_total",
        "Messages that were stored and acknowledged.",
        now.messages_in,
    )
    yield _counter(
        "pubsub_messages_delivered_total",
        "Messages handed to connections, once for each of them.",
        now.messages_out,
    )
    yield _counter("pubsub_commits_total", "Commits, each of many messages at once.", now.commits)
    yield _counter("pubsub_received_bytes_total", "Bytes that clients have sent.", now.bytes_in)
    yield _counter("pubsub_sent_bytes_total", "Bytes written to clients.", now.bytes_out)
    yield _counter(
        "pubsub_requests_refused_total", "Requests answered with an error.", now.refusals
    )
    yield Metric(
        "pubsub_publish_seconds",
        "How long publishes waited to be on disk, in the last minute: half of them, and all but"
        " one in a hundred, at most so long. NaN where there were none.",
        Kind.GAUGE,
        [
            Sample(nan if now.ack_p50_s is None else now.ack_p50_s, {"quantile": "0.5"}),
            Sample(nan if now.ack_p99_s is None else now.ack_p99_s, {"quantile": "0.99"}),
        ],
    )


def _clients(now: Snapshot) -> Iterator[Metric]:
    yield _gauge("pubsub_connections", "Connections, signed in or not.", now.connections)
    yield Metric(
        "pubsub_sessions",
        "Connections that are signed in, by the role of their account.",
        Kind.GAUGE,
        [
            Sample(now.publishers, {"role": "publisher"}),
            Sample(now.subscribers, {"role": "subscriber"}),
        ],
    )
    yield _gauge(
        "pubsub_slow_connections",
        "Connections whose buffer is full because they do not read as fast as they are sent to.",
        now.slow,
    )
    yield _counter(
        "pubsub_connections_turned_away_total",
        "Connections over a limit, or that did not sign in in time.",
        now.turned_away,
    )
    yield _counter(
        "pubsub_sign_ins_refused_total",
        "Sign-ins that were refused, and accounts that could not be made.",
        now.refused_sign_ins,
    )


def _data(now: Snapshot) -> Iterator[Metric]:
    yield _gauge("pubsub_topics", "Topics.", now.topic_count)
    yield _gauge("pubsub_messages_stored", "Messages that are kept in these topics.", now.stored)
    yield _gauge(
        "pubsub_unread_messages",
        "Messages that subscriptions have not confirmed, in all; some seconds old.",
        now.unread,
    )
    yield _gauge(
        "pubsub_oldest_unread_seconds",
        "For how long the oldest unread message of all has been unread; 0 where there is none.",
        now.oldest_unread_s,
    )
    yield _gauge(
        "pubsub_cache_bytes", "Recent messages in memory, up to --cache-mb.", now.cache_bytes
    )
    yield _gauge(
        "pubsub_data_bytes",
        "Size of the data directory; not with --store.",
        now.data_bytes,
    )
    yield _gauge(
        "pubsub_disk_free_bytes",
        "Space left on the disk of the data directory; not with --store.",
        now.free_bytes,
    )


def _topics(now: Snapshot) -> Iterator[Metric]:
    yield _by_topic(
        now,
        "pubsub_topic_messages_total",
        f"Messages published to a topic. Of each topic where there are at most {TOPICS}, else of"
        " those busiest since the start.",
        lambda topic: topic.head,
        Kind.COUNTER,
    )
    yield _by_topic(
        now,
        "pubsub_topic_subscriptions",
        "Subscriptions to a topic, signed in or not.",
        lambda topic: topic.subscriptions,
    )
    yield _by_topic(
        now,
        "pubsub_topic_unread_messages",
        "Messages of a topic that subscriptions have not confirmed, in all.",
        lambda topic: topic.unread,
    )
    yield _by_topic(
        now,
        "pubsub_topic_oldest_unread_seconds",
        "For how long a topic's oldest unread message has been unread; 0 where there is none.",
        lambda topic: topic.oldest_unread_s,
    )


def _counter(name: str, help_: str, value: int) -> Metric:
    return Metric(name, help_, Kind.COUNTER, [Sample(value)])


def _gauge(name: str, help_: str, value: float | None) -> Metric:
    return Metric(name, help_, Kind.GAUGE, [] if value is None else [Sample(value)])


def _by_topic(
    now: Snapshot,
    name: str,
    help_: str,
    value: Callable[[TopicFigures], float | None],
    kind: Kind = Kind.GAUGE,
) -> Metric:
    values = [(topic.name, value(topic)) for topic in now.topics[:TOPICS]]
    samples = [Sample(one, {"topic": topic}) for topic, one in values if one is not None]
    return Metric(name, help_, kind, samples)
