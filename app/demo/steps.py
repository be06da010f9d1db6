"""The seven steps: what each says, does and must bring. Screen and script play the same."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace

from app.demo.actors import TOPIC, Published, expecting
from app.demo.events import Pane
from app.demo.flood import flood, percentile
from app.demo.outcome import Missed
from app.demo.stage import Stage

SAMPLE_UNREAD = {
    "ORDERS": ["order 1 shipped", '{"order": 2, "state": "packed"}'],
    "NEWS": [
        "The library is open until midnight",
        "Room 113 moves to 115",
        "Chalk is back in stock",
    ],
}
MANY = 20_000  # messages published around the kill
CHUNK = 100  # of them, at once
FLOOD_RATE, FLOOD_S = 2_000, 4.0
PATIENCE_MS = 1_000.0  # a request of someone else's may take this long in a flood

Act = Callable[[Stage], Awaitable[str]]


@dataclass(frozen=True, slots=True)
class Step:
    """A step: `act` does it and returns what came, in words, or raises `Missed`.

    `look` is the pane to look at where only one can be shown.
    """

    title: str
    look: Pane
    narration: str
    expected: str
    act: Act


async def accounts_and_topic(stage: Stage) -> str:
    bob = await stage.wire(Pane.PUBLISHER, "bob")
    await bob.do(action="create", user_email=stage.bob.email, user_type="publisher")
    await stage.beat(0.8)
    await bob.do(action="create_topic", topic_name=TOPIC)
    await stage.beat(0.8)
    refused = await bob.ask(action="publish_msg", topic_name="GRADEN", msg="hello?")
    if set(refused) != {"action", "message"} or refused["action"] != "error":
        raise Missed("an error with a sentence", f"{refused}")
    await stage.beat(0.8)
    listed = (await bob.ask(action="list_topics")).get("topics")
    if listed != ["ORDERS", "WEATHER", "NEWS", TOPIC]:
        raise Missed(f"the topics of the sample data, and {TOPIC} last", f"{listed}")
    await stage.beat(0.8)
    ada = await stage.wire(Pane.SUBSCRIBER, "ada")
    await ada.do(action="create", user_email=stage.ada.email, user_type="subscriber")
    await ada.do(action="subscribe", topic_name=TOPIC)
    await bob.close()
    await ada.close()
    await stage.present(stage.bob, stage.ada)
    return f"2 accounts and {TOPIC}, the youngest of 4 topics; 1 request refused in words"


async def publish_and_stored(stage: Stage) -> str:
    await stage.present(stage.bob, stage.ada)
    published: list[Published] = []
    for text in ("the roses are open", "so are the tulips", '{"bed": 3, "water": true}'):
        published.append(await stage.bob.publish(text))
        await stage.ada.came([one.text for one in published], unread=False)
        await stage.bob.confirmed_by_all(published[-1])
        await stage.beat(1.0)
    slowest_ms = max(one.took_ms for one in published)
    return f"{len(published)} ✓✓; the slowest was {stage.kept} after {slowest_ms:.1f} ms"


async def two_subscribers(stage: Stage) -> str:
    bob, ada, eve = stage.bob, stage.ada, stage.eve
    await stage.present(bob, ada)
    await eve.enter(create=True)
    assert eve.client is not None
    await eve.client.subscribe(TOPIC)
    stage.tell(f"eve subscribes to {TOPIC}")
    await stage.beat(1.0)
    both = [await bob.publish("for both of you"), await bob.publish("and once more")]
    texts = [one.text for one in both]
    await ada.came(texts, unread=False)
    await eve.came(texts, unread=False)
    subscriptions = await bob.confirmed_by_all(both[-1])
    await stage.beat(1.5)
    await eve.client.unsubscribe(TOPIC)
    stage.tell(f"eve unsubscribes from {TOPIC}")
    await stage.beat(1.0)
    alone = await bob.publish("for ada alone")
    await ada.came([*texts, alone.text], unread=False)
    # Had it been sent to eve too, it would have come before this answer.
    await eve.client.topics()
    await eve.came(texts)
    await stage.beat(1.0)
    await eve.client.subscribe(TOPIC)
    stage.tell("eve subscribes again")
    return f"ada has 3, eve the 2 of her time; ✓✓ came from {subscriptions} of {subscriptions}"


async def away_and_back(stage: Stage) -> str:
    bob, ada, eve, tien = stage.bob, stage.ada, stage.eve, stage.tien
    await stage.present(bob, ada, eve)
    await eve.leave()
    stage.tell("eve has left; her place is kept")
    await stage.beat(1.0)
    missed = []
    for number in (1, 2, 3, 4):
        missed.append((await bob.publish(f"while eve is away, {number}")).text)
        await stage.beat(0.5)
    seen = await stage.seen_by(eve)
    if seen is None or seen.unread != len(missed):
        raise Missed(f"{len(missed)} unread for eve", f"{seen}")
    await stage.beat(1.0)
    await eve.enter()
    await eve.came(missed, unread=True)
    await stage.beat(1.0)
    eve.received.clear()
    live = await bob.publish("eve is back")
    await eve.came([live.text], unread=False)
    await ada.came([*missed, live.text], unread=False)
    await stage.beat(1.5)
    await tien.enter()
    await _sample_data_comes(stage)
    await stage.beat(1.0)
    await tien.leave()
    return f"eve: {len(missed)} unread in order, then 1 live; {tien.email}: the 5 of the sample"


async def _sample_data_comes(stage: Stage) -> None:
    """The topics' own order is kept; between topics there is none."""
    tien = stage.tien
    wanted = sum(map(len, SAMPLE_UNREAD.values()))
    what = f"{wanted} unread of the sample data for {tien.email}"
    await tien.until(lambda: len(tien.received) >= wanted, what)
    came: dict[str, list[str]] = {}
    for message in tien.received:
        if message.unread:
            came.setdefault(message.topic, []).append(message.text)
    if came != SAMPLE_UNREAD:
        raise Missed(f"{SAMPLE_UNREAD}", f"{came}")


async def cut_cables(stage: Stage) -> str:
    bob, ada = stage.bob, stage.ada
    await stage.present(bob, ada, stage.eve)
    texts = [f"page {number} of 10" for number in range(1, 11)]
    for text in texts[:5]:
        await bob.publish(text)
        await stage.beat(0.25)
    await ada.came(texts[:5])
    await ada.relay.cut()
    stage.tell("ada's cable is cut")
    for text in texts[5:]:
        await bob.publish(text)
        await stage.beat(0.35)
    missing = len(texts) - len(ada.received)
    await stage.beat(0.5)
    ada.relay.mend()
    stage.tell("ada's cable is whole again")
    await ada.came(texts)
    await stage.beat(1.5)
    await _lose_an_answer(stage, texts)
    return f"ada: {missing} came after the cut, all {len(texts) + 1} once and in order; bob's: once"


async def _lose_an_answer(stage: Stage, before: list[str]) -> None:
    """Cut bob's cable after the broker has stored a message and before he hears of it."""
    bob, ada = stage.bob, stage.ada
    text = "did this one arrive?"
    bob.relay.lose_answers()
    async with asyncio.TaskGroup() as under_way:
        publishing = under_way.create_task(bob.publish(text))
        await ada.came([*before, text])
        if publishing.done():
            raise Missed("no answer for bob while answers are lost", "one came")
        stage.tell("stored, but bob's answer is lost: his cable is cut")
        await bob.relay.cut()
        await stage.beat(1.5)
        bob.relay.mend()
        stage.tell("bob's cable is whole again")
    last = await bob.publish("the end")
    await ada.came([*before, text, last.text])


async def killed(stage: Stage) -> str:
    bob, ada = stage.bob, stage.ada
    await stage.present(bob, ada, stage.eve)
    ada.quiet = stage.eve.quiet = True
    texts = [f"number {number:,}" for number in range(1, MANY + 1)]
    stored: list[Published] = []
    enough = asyncio.Event()

    async def publish(chunk: list[str]) -> None:
        stored.extend(await bob.publish_all(chunk))
        if len(stored) >= MANY // 4:
            enough.set()

    async def publish_all() -> None:
        for start in range(0, MANY, CHUNK):
            under_way.create_task(publish(texts[start : start + CHUNK]))
            await asyncio.sleep(0.002)  # faster than a disk: some are always under way

    async with asyncio.TaskGroup() as under_way:
        under_way.create_task(publish_all())
        async with expecting(f"{MANY // 4:,} ✓"):
            await enough.wait()
        number = await stage.kill_broker()
        await stage.beat(2.5)
        by_then = [*stored]
        stage.tell(f"bob had {len(by_then):,} ✓ by then")
        took_s = await stage.start_broker()
    await ada.came(texts)
    await stage.eve.came(texts)  # what comes later would be taken for the next step's
    await stage.beat(1.0)
    await _everything_is_there(stage, by_then)
    return (
        f"process {number} was killed after {len(by_then):,} ✓; started again in {took_s:.1f} s,"
        f" all {len(by_then):,} are there, and all {MANY:,} once and in order"
    )


async def _everything_is_there(stage: Stage, stored: list[Published]) -> None:
    """Someone new reads the whole topic from its first message."""
    sam = stage.sam
    sam.quiet = True
    await sam.enter()
    assert sam.client is not None
    await sam.client.subscribe(TOPIC, from_="all")
    seen = await stage.seen_by(stage.ada)
    head = seen.head if seen is not None else 0
    what = f"all {head:,} messages of {TOPIC} read again"
    await sam.until(lambda: bool(sam.received) and sam.received[-1].seq >= head, what)
    seqs = [message.seq for message in sam.received if message.topic == TOPIC]
    if seqs != [*range(1, head + 1)]:
        raise Missed(f"each seq from 1 to {head}, once", f"{len(seqs):,} of them")
    by_seq = {message.seq: message.text for message in sam.received}
    lost = [one for one in stored if by_seq.get(one.seq or 0) != one.text]
    if lost:
        raise Missed(f"all {len(stored):,} that had their ✓", f"{len(lost):,} of them lost")
    await sam.client.unsubscribe(TOPIC)
    await sam.leave()
    stage.tell(f"{head:,} read again from the first", "none missing")


async def flooded(stage: Stage) -> str:
    bob, ada, eve = stage.bob, stage.ada, stage.eve
    await stage.present(bob, ada, eve)
    ada.quiet = eve.quiet = True
    found = await flood(stage, rate=FLOOD_RATE, seconds=FLOOD_S, stop=asyncio.Event())
    await ada.came(found.texts, unread=False)
    await eve.came(found.texts, unread=False)
    answer_ms = percentile(found.answers_ms, 50)
    if answer_ms > PATIENCE_MS:
        raise Missed(f"others answered within {PATIENCE_MS:g} ms", f"{answer_ms:,.0f} ms")
    return str(found)


STEPS = [
    Step(
        "Accounts and a topic",
        Pane.PUBLISHER,
        "An account is an e-mail address with a role; a topic is a log that everyone can see."
        " These are the very lines on the wire: whatever opens a socket can send them.",
        "success for each; the mistyped topic refused with a sentence, and the connection lives",
        accounts_and_topic,
    ),
    Step(
        "Publish, and a ✓ once it is on disk",
        Pane.PUBLISHER,
        "Bob gets a ✓ when his message is on disk, and ✓✓ when every subscription has it."
        " Ada is signed in, so she has it in the same moment.",
        "3 messages stored, live at ada's, confirmed by all",
        publish_and_stored,
    ),
    Step(
        "Two subscribers, two cursors",
        Pane.BROKER,
        "The broker keeps one log, and for each subscriber a cursor on it: that is all a"
        " subscription is. Eve joins, leaves the topic, and joins again.",
        "both have what is published while they are subscribed, and nothing else",
        two_subscribers,
    ),
    Step(
        "One is away: first what she missed",
        Pane.SUBSCRIBER,
        "Eve signs out and her cursor stays. When she is back, what she missed comes first,"
        " marked unread, and only then what is live.",
        "4 unread in order, then the live one; for tientavu@tamu.edu the unread of the sample data",
        away_and_back,
    ),
    Step(
        "Cables are cut",
        Pane.SUBSCRIBER,
        "Ada's cable is cut while she reads, and Bob's when his message is stored but the answer"
        " is not back. The clients connect again and ask for nothing: it just goes on.",
        "every message once and in order, also the one that was sent twice",
        cut_cables,
    ),
    Step(
        "kill -9",
        Pane.BROKER,
        f"Bob publishes {MANY:,} messages, and in the middle the broker's process is killed and"
        " started again. What had its ✓ is on disk; the rest his client sends again.",
        "every message that had its ✓ is there, and all of them once and in order",
        killed,
    ),
    Step(
        "A flood",
        Pane.PUBLISHER,
        f"{FLOOD_RATE:,} messages a second, each on disk before its ✓, to two subscribers."
        " Others are answered meanwhile, and what you look at goes on moving.",
        "all stored, all delivered in order, and others answered at once",
        flooded,
    ),
]


def steps_on(kept: str) -> list[Step]:
    """Return the steps as they are told of a store in which a message that has its ✓ is `kept`.

    The words of `STEPS` are those of one that keeps it on disk, by then.
    """

    def told(text: str) -> str:
        return text.replace("on disk", kept)

    return [replace(step, title=told(step.title), narration=told(step.narration)) for step in STEPS]
