"""`pubsub backlog`: who is behind by how much."""

import msgspec

from app.access import Access
from app.commands.ending import run_signed_in
from app.commands.output import write
from app.commands.table import print_table
from app.commands.topics import topic_states


def run(access: Access, *, as_json: bool) -> None:
    run_signed_in(access, lambda known: _show(known, as_json))


async def _show(access: Access, as_json: bool) -> None:
    role, states = await topic_states(access)
    own = role == "subscriber"
    rows: list[dict[str, str | int]]
    if own:
        rows = [
            {"topic_name": one.topic_name, "unread": one.unread} for one in states if one.subscribed
        ]
        nothing = "you are subscribed to nothing yet; `pubsub sub TOPIC` subscribes"
    else:
        rows = [
            {
                "topic_name": one.topic_name,
                "subscriptions": one.subscribers,
                "behind": one.behind,
                "unread": one.unread,
            }
            for one in states
        ]
        nothing = "there are no topics yet"
    if as_json:
        write(b"".join(msgspec.json.encode(row) + b"\n" for row in rows))
        return
    heads = ["TOPIC", "UNREAD"] if own else ["TOPIC", "SUBSCRIPTIONS", "BEHIND", "UNREAD"]
    print_table(heads, [[_shown(value) for value in row.values()] for row in rows], nothing=nothing)


def _shown(value: str | int) -> str:
    return value if isinstance(value, str) else f"{value:,}"
