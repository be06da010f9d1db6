"""Who may ask for what: every action, by everybody, in both versions."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from broker import Broker, Settings
from protocol.requests import ACTIONS
from tests.doubles.memory_store import MemoryStore
from tests.wire import Wire

EVERYBODY = ("nobody", "publisher", "subscriber", "looking subscriber")

# For each action who may ask for it, as version 1 has it, and as version 2 has it. Written out by
# hand: the broker's own table is what is tested.
ANYONE = frozenset(EVERYBODY)
SIGNED_IN = ANYONE - {"nobody"}
SUBSCRIBERS = frozenset({"subscriber", "looking subscriber"})
NO_ONE: frozenset[str] = frozenset()
MAY: dict[str, tuple[frozenset[str], frozenset[str]]] = {
    "create": (ANYONE, ANYONE),
    "connect": (ANYONE, ANYONE),
    "change_password": (NO_ONE, SIGNED_IN),
    "delete_account": (NO_ONE, SIGNED_IN),
    "create_topic": (frozenset({"publisher"}), frozenset({"publisher"})),
    "delete_topic": (NO_ONE, frozenset({"publisher"})),
    "publish_msg": (frozenset({"publisher"}), frozenset({"publisher"})),
    "publish_many": (NO_ONE, frozenset({"publisher"})),
    "list_topics": (SIGNED_IN, SIGNED_IN),
    "subscribe": (SUBSCRIBERS, frozenset({"subscriber"})),
    "unsubscribe": (SUBSCRIBERS, frozenset({"subscriber"})),
    "ack": (NO_ONE, frozenset({"subscriber"})),
    "receipts": (NO_ONE, SIGNED_IN),
    "history": (NO_ONE, SIGNED_IN),
    "subscriptions": (NO_ONE, SUBSCRIBERS),
    "ping": (NO_ONE, SIGNED_IN),
}

KEYS: dict[str, dict[str, Any]] = {
    "create": {"user_email": "new@b.c", "user_type": "publisher"},
    "connect": {"user_email": "other@b.c"},
    "change_password": {"password": "correct horse"},
    "delete_account": {"user_email": "WHO@b.c"},
    "create_topic": {"topic_name": "NEW"},
    "delete_topic": {"topic_name": "T"},
    "publish_msg": {"topic_name": "T", "msg": "m"},
    "publish_many": {"topic_name": "T", "msgs": ["m"]},
    "list_topics": {},
    "subscribe": {"topic_name": "T"},
    "unsubscribe": {"topic_name": "T"},
    "ack": {"topic_name": "T", "seq": 0},
    "receipts": {"topic_name": "T", "seq": 0},
    "history": {"topic_name": "T", "after": 0},
    "subscriptions": {},
    "ping": {},
}


@pytest.fixture
async def site() -> AsyncIterator[Broker]:
    """A broker with a topic T, a subscriber of it, and some accounts."""
    settings = Settings(store_url="memory", port=0, stop_wait_s=0.05)
    async with Broker(settings, MemoryStore()) as broker:
        wire = await Wire.open(broker.port)
        for email, role in (
            ("other@b.c", "publisher"),
            ("publisher@b.c", "publisher"),
            ("subscriber@b.c", "subscriber"),
        ):
            await wire.ask("create", user_email=email, user_type=role)
        await wire.ask("connect", user_email="publisher@b.c")
        await wire.ask("create_topic", topic_name="T")
        await wire.ask("connect", user_email="subscriber@b.c")
        assert (await wire.ask("subscribe", topic_name="T"))["action"] == "success"
        await wire.close()
        yield broker


async def signed_in(broker: Broker, who: str, version: int) -> Wire:
    wire = await Wire.open(broker.port)
    if who != "nobody":
        keys = {"deliver": False} if who.startswith("looking") else {}
        email = f"{who.split()[-1]}@b.c"
        reply = await wire.ask("connect", user_email=email, version=version, **keys)
        assert reply["action"] == "success"
    return wire


def test_the_table_has_every_action() -> None:
    assert tuple(MAY) == ACTIONS
    assert MAY.keys() == KEYS.keys()


@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize("who", EVERYBODY)
@pytest.mark.parametrize("action", ACTIONS)
async def test_each_action_is_for_whom_the_table_says(
    site: Broker, action: str, who: str, version: int
) -> None:
    wire = await signed_in(site, who, version)
    keys = {name: _of(who, value) for name, value in KEYS[action].items()}
    reply = await wire.ask(action, **keys)
    allowed = who in MAY[action][version - 1]
    assert (reply["action"] != "error") is allowed, reply
    if not allowed and version == 2 and who != "nobody":
        own_role = who == "looking subscriber" and "subscriber" in MAY[action][1]
        assert reply["reason"] == ("bad_request" if own_role else "wrong_role")
    if not allowed and who == "nobody":
        assert "sign in with connect or create" in reply["message"]
    # Whatever was refused, the connection goes on.
    again = await wire.ask("connect", user_email="other@b.c", version=2)
    assert again["action"] == "success"
    await wire.close()


def _of(who: str, value: object) -> object:
    return value.replace("WHO", who.split()[-1]) if isinstance(value, str) else value
