"""A picture as text: figures of the broker, then its topics, then its sessions."""

from collections.abc import Sequence

from rich.console import Group
from rich.table import Table
from rich.text import Text

from app.dashboard.figures import as_clock, compact, in_bytes, in_milliseconds, in_time
from app.text import harmless
from app.top.picture import Picture
from broker.snapshot import SessionFigures, TopicFigures

FRAME_LINES = 9  # what stands around the rows of both tables
ROLES = {"publisher": "pub", "subscriber": "sub", None: "-"}
BAD = ("slow", "behind")


def draw(picture: Picture, height: int | None) -> Group:
    """Return what fits into `height` lines; all there is where that is None."""
    topics, sessions = picture.topics(), picture.sessions_in_order()
    if height is not None:
        room = max(height - FRAME_LINES, 2)
        shown = min(len(topics), max(room // 2, room - len(sessions)))
        topics, sessions = topics[:shown], sessions[: room - shown]
    now = picture.stats.broker
    return Group(
        *_head(picture),
        "",
        _topics(picture, topics, now.topic_count),
        "",
        _sessions(picture, sessions, now.connections),
    )


def _head(picture: Picture) -> list[Text]:
    stats, now, rate = picture.stats, picture.stats.broker, picture.rates.now
    free = "" if now.free_bytes is None else f", {in_bytes(now.free_bytes)} free on the disk"
    oldest = f", the oldest for {_age(now.oldest_unread_s)}" if now.unread else ""
    first = Text(no_wrap=True, overflow="ellipsis")
    first.append(f"pubsub broker {stats.address}  up {as_clock(now.up_s)}  ")
    first.append_text(_condition(picture))
    return [
        first,
        _line(
            f"messages {rate.messages_in:,.0f}/s in, {rate.messages_out:,.0f}/s out;"
            f" bytes {in_bytes(rate.bytes_in)}/s in, {in_bytes(rate.bytes_out)}/s out"
        ),
        _line(
            f"sessions {now.publishers:,} pub, {now.subscribers:,} sub, {now.slow:,} slow;"
            f" unread {compact(now.unread)}{oldest}"
        ),
        _line(
            f"on disk in {in_milliseconds(now.ack_p50_s)}, p99 {in_milliseconds(now.ack_p99_s)};"
            f" {now.refusals:,} errors{free}"
        ),
    ]


def _condition(picture: Picture) -> Text:
    if picture.unanswered:
        return Text(harmless(picture.unanswered), style="bold red")
    if picture.stats.healthy:
        return Text(str(picture.stats.broker.condition), style="bold green")
    return Text(harmless("; ".join(picture.stats.reasons)), style="bold red")


def _topics(picture: Picture, topics: Sequence[TopicFigures], count: int) -> Table:
    table = _table(
        f"TOPIC{_of(len(topics), count)}", "STATE", "IN/s", "MESSAGES", "SUBS", "UNREAD", "OLDEST"
    )
    if not count:
        table.add_row("(none yet)")
    for topic in topics:
        table.add_row(
            _line(topic.name),
            _state(picture.topic_state(topic)),
            f"{picture.topic_rate(topic):,.0f}",
            compact(topic.head),
            compact(topic.subscriptions),
            compact(topic.unread),
            _age(topic.oldest_unread_s) if topic.unread else "-",
        )
    return table


def _sessions(picture: Picture, sessions: Sequence[SessionFigures], count: int) -> Table:
    table = _table(
        f"SESSION{_of(len(sessions), count)}", "STATE", "ROLE", "IN/s", "OUT/s", "UNREAD", "QUEUED"
    )
    if not count:
        table.add_row("(nobody is connected)")
    for session in sessions:
        rate = picture.session_rate(session)
        table.add_row(
            _line(session.account or "(not signed in)"),
            _state(picture.session_state(session)),
            ROLES[session.role],
            in_bytes(rate.bytes_in),
            in_bytes(rate.bytes_out),
            compact(session.unread),
            in_bytes(session.queued_bytes),
        )
    return table


def _table(name: str, *columns: str) -> Table:
    """Return an empty table whose first column takes the room that the others leave."""
    table = Table(box=None, expand=True, padding=(0, 1, 0, 0), header_style="bold")
    table.add_column(name, ratio=1, no_wrap=True, overflow="ellipsis")
    table.add_column(columns[0], min_width=8, no_wrap=True)
    for column in columns[1:]:
        table.add_column(column, justify="right", min_width=8, no_wrap=True)
    return table


def _of(shown: int, count: int) -> str:
    return f" ({shown:,} of {count:,})" if shown < count else ""


def _line(text: str) -> Text:
    """Return what anyone may have written, harmless and not read as markup."""
    return Text(harmless(text), no_wrap=True, overflow="ellipsis")


def _state(word: str) -> Text:
    return Text(word, style="bold red" if word in BAD else "")


def _age(seconds: float | None) -> str:
    return "-" if seconds is None else in_time(seconds)
