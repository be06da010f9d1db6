"""`pubsub account`: who one is to the broker."""

from app.access import Access
from app.commands.ending import run_signed_in
from app.commands.output import write
from app.commands.topics import topic_states
from app.text import harmless


def run(access: Access) -> None:
    run_signed_in(access, _show)


async def _show(access: Access) -> None:
    role, states = await topic_states(access)
    line = f"{access.email} is a {role}"
    if role == "subscriber":
        own = [one for one in states if one.subscribed]
        line += f" of {len(own):,} topics, with {sum(one.unread for one in own):,} unread messages"
    write(f"{harmless(line)}\n".encode())
