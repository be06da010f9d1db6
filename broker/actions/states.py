"""What the account's subscriptions and the cursors of all are right now."""

from broker.hub import Hub
from broker.store.interface import Account, SubscriptionRecord
from protocol.names import Role
from protocol.replies import SubscriptionState


async def subscription_states(hub: Hub, account: Account) -> list[SubscriptionState]:
    """Return the account's subscriptions as they are now, oldest topic first."""
    if account.role is not Role.SUBSCRIBER:
        return []
    await save_cursors(hub)
    return states_of(hub, await hub.store.subscriptions(account.id))


def states_of(hub: Hub, records: list[SubscriptionRecord]) -> list[SubscriptionState]:
    states = []
    for record in records:
        topic = hub.know(record.topic)
        if topic is not None:
            cursor = min(record.cursor, topic.head)
            state = SubscriptionState(topic.name, cursor, topic.head, topic.unread(cursor))
            states.append(state)
    return states


async def save_cursors(hub: Hub) -> None:
    """Let the store know all that has been confirmed by now."""
    hub.confirm_readers()
    await hub.saver.save()
