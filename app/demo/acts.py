"""What a presenter can do between two steps. Each returns what came of it, or raises `Missed`."""

import asyncio
from itertools import cycle

from app.demo.actors import TOPIC, Reader
from app.demo.flood import flood
from app.demo.outcome import Missed
from app.demo.stage import Stage
from app.demo.steps import FLOOD_RATE

FLOOD_S = 6.0
MISSED = 5  # messages that ada's cut cable keeps from her

_texts = cycle(
    [
        "the first swallow is here",
        "frost tonight, cover the beans",
        '{"bed": 7, "state": "sown"}',
        "the gate is open until six",
        "who has the long rake?",
        "apples for everyone, by the shed",
    ]
)


async def publish(stage: Stage) -> str:
    """Bob publishes a message."""
    one = await stage.bob.publish(next(_texts))
    return f"stored as {one.seq} after {one.took_ms:.1f} ms"


async def eve_signs_in_or_out(stage: Stage) -> str:
    """Eve signs out, or in again."""
    eve = stage.eve
    if eve.present:
        await eve.leave()
        stage.tell("eve has left; her place is kept")
        return "eve has left: publish with p, and let her in again with e"
    seen = await stage.seen_by(eve)
    unread = seen.unread if seen is not None else 0
    eve.received.clear()
    await eve.enter()
    await eve.until(lambda: len(eve.received) >= unread, f"{unread} unread for eve")
    return f"eve is back: {unread} unread came first"


async def cut(stage: Stage) -> str:
    """Ada's cable is cut, five messages are published, and the cable is mended."""
    bob, ada = stage.bob, stage.ada
    ada.received.clear()
    await ada.relay.cut()
    stage.tell("ada's cable is cut")
    last = None
    for number in range(1, MISSED + 1):
        last = await bob.publish(f"ada cannot hear this, {number}")
        await stage.beat(0.4)
    ada.relay.mend()
    stage.tell("ada's cable is whole again")
    assert last is not None
    assert last.seq is not None
    await _has_come(ada, last.seq)
    return f"{MISSED} came after the cut, once and in order"


async def kill(stage: Stage) -> str:
    """The broker's process is killed and started again."""
    number = await stage.kill_broker()
    await stage.beat(2.0)
    took_s = await stage.start_broker()
    one = await stage.bob.publish("the broker is back")
    if one.seq is not None:
        await _has_come(stage.ada, one.seq)
    return f"process {number} killed, another serves after {took_s:.1f} s"


async def pour(stage: Stage, stop: asyncio.Event) -> str:
    """A flood, until it is over or `stop` is set."""
    stage.ada.quiet = stage.eve.quiet = True
    try:
        return str(await flood(stage, rate=FLOOD_RATE, seconds=FLOOD_S, stop=stop))
    finally:
        stage.ada.quiet = stage.eve.quiet = False


async def _has_come(reader: Reader, seq: int) -> None:
    """Wait for `seq`, and hold all that came before it to being there once and in order."""
    what = f"message {seq} for {reader.name}"
    await reader.until(lambda: bool(reader.received) and reader.received[-1].seq >= seq, what)
    seqs = [message.seq for message in reader.received if message.topic == TOPIC]
    if seqs != [*range(seqs[0], seqs[0] + len(seqs))]:
        raise Missed(f"each seq once and in order for {reader.name}", f"{seqs}")
