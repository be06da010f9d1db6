"""`pubsub topics`: what there is."""

import msgspec

from app.access import Access
from app.commands.ending import run_signed_in
from app.commands.output import write
from app.commands.signing_in import wanted_email, with_remedy
from app.commands.table import print_table
from clients import AccountNotFound, Observer
from clients.values import TopicState

MAKE_ONE = "`pubsub pub` and `pubsub sub` make one with --create"


def run(access: Access, *, as_json: bool) -> None:
    run_signed_in(access, lambda known: _list(known, as_json))


async def topic_states(access: Access) -> tuple[str, list[TopicState]]:
    """Return the account's role, and all topics, oldest first."""
    wanted = wanted_email(access)
    try:
        async with Observer(access.connect, wanted, **access.options()) as observer:
            return observer.user_type, await observer.topics()
    except AccountNotFound as error:
        raise with_remedy(error, wanted, MAKE_ONE) from error


async def _list(access: Access, as_json: bool) -> None:
    _, states = await topic_states(access)
    if as_json:
        write(b"".join(msgspec.json.encode(state) + b"\n" for state in states))
        return
    print_table(
        ["TOPIC", "MESSAGES", "SUBSCRIBERS", "UNREAD", "NEWEST"],
        [
            [
                state.topic_name,
                f"{state.messages:,}",
                f"{state.subscribers:,}",
                f"{state.unread:,}",
                f"{state.published_at:%Y-%m-%d %H:%M:%S}" if state.published_at else "-",
            ]
            for state in states
        ],
        nothing="there are no topics yet; a publisher makes one with `pubsub pub TOPIC --create`",
    )
