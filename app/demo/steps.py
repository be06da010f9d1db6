"""The steps of the demonstration: what each shows, and what it must bring."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from time import perf_counter

from app.demo.stage import Stage
from app.demo.wire import StepFailed, Wire

Step = Callable[["Play"], Awaitable[str]]

PUBLISHER, SUBSCRIBER = "desk@example.com", "tientavu@tamu.edu"
TOPIC = "GARDEN"
SAMPLE_UNREAD = [
    "order 1 shipped",
    '{"order": 2, "state": "packed"}',
    "The library is open until midnight",
    "Room 113 moves to 115",
    "Chalk is back in stock",
]
MANY = 20_000  # messages published around the kill


@dataclass
class Play:
    """One run of the steps, with who is connected from one step to the next."""

    stage: Stage
    publisher: Wire | None = None
    subscriber: Wire | None = None

    @property
    def desk(self) -> Wire:
        assert self.publisher is not None
        return self.publisher

    @property
    def reader(self) -> Wire:
        assert self.subscriber is not None
        return self.subscriber


async def accounts(play: Play) -> str:
    """An account is an e-mail address and a role. Making one signs it in."""
    play.publisher = await play.stage.connect("publisher")
    await play.desk.do(action="create", user_email=PUBLISHER, user_type="publisher")
    return f"{PUBLISHER} is a publisher"


async def unread(play: Play) -> str:
    """The sample data holds what was published while this subscriber was away. Signing in
    brings it, oldest first in each topic."""
    play.subscriber = await play.stage.connect("subscriber")
    await play.reader.do(action="connect", user_email=SUBSCRIBER)
    got = [await play.reader.read() for _ in SAMPLE_UNREAD]
    if sorted(line["message"] for line in got) != sorted(SAMPLE_UNREAD):
        raise StepFailed("other messages should have been unread")
    if any(line["action"] != "unread" for line in got):
        raise StepFailed("all of them should have been unread")
    return f"{len(got)} unread messages"


async def topic(play: Play) -> str:
    """A publisher makes a topic, and everyone can see it."""
    await play.desk.do(action="create_topic", topic_name=TOPIC)
    listed = await play.desk.ask(action="list_topics")
    if listed.get("topics") != ["ORDERS", "WEATHER", "NEWS", TOPIC]:
        raise StepFailed("the new topic should be the last of four")
    return f"{TOPIC} is there, the youngest of four"


async def broadcast(play: Play) -> str:
    """What is published is on disk before the publisher hears of success, and goes to every
    subscriber who is signed in."""
    await play.reader.do(action="subscribe", topic_name=TOPIC)
    began = perf_counter()
    play.desk.send(action="publish_msg", topic_name=TOPIC, msg="the roses are open")
    await play.reader.expect(action="broadcast", message="the roses are open")
    took_ms = (perf_counter() - began) * 1000
    await play.desk.expect(action="success", code=0)
    return f"delivered {took_ms:.1f} ms after it was sent, stored in between"


async def away(play: Play) -> str:
    """The subscriber leaves. Publishing goes on."""
    await play.reader.leave()
    for number in (1, 2, 3):
        await play.desk.do(action="publish_msg", topic_name=TOPIC, msg=f"missed {number}")
    return "3 messages published while nobody listens"


async def back(play: Play) -> str:
    """It comes back: first everything it missed, in order, then what is new."""
    play.subscriber = await play.stage.connect("subscriber")
    await play.reader.do(action="connect", user_email=SUBSCRIBER)
    for number in (1, 2, 3):
        await play.reader.expect(action="unread", message=f"missed {number}")
    play.desk.send(action="publish_msg", topic_name=TOPIC, msg="live again")
    await play.reader.expect(action="broadcast", message="live again")
    await play.desk.expect(action="success", code=0)
    return "3 unread in order, then 1 live"


async def unsubscribe(play: Play) -> str:
    """After the success of unsubscribe nothing of the topic comes any more."""
    await play.reader.do(action="unsubscribe", topic_name=TOPIC)
    await play.desk.do(action="publish_msg", topic_name=TOPIC, msg="not for everyone")
    # Had the message been sent to the subscriber, it would come before this answer.
    answer = await play.reader.ask(action="list_topics")
    if answer["action"] != "list_topics":
        raise StepFailed("nothing should have come before the answer")
    return "nothing came"


async def refused(play: Play) -> str:
    """A request that cannot be carried out is answered with what to do; the connection lives."""
    answer = await play.reader.ask(action="publish_msg", topic_name=TOPIC, msg="hello?")
    if set(answer) != {"action", "message"} or answer["action"] != "error":
        raise StepFailed("it should have been refused")
    await play.reader.do(action="subscribe", topic_name=TOPIC)
    return "refused with a sentence, and the next request succeeded"


async def killed(play: Play) -> str:
    """The broker runs as a process of its own now, and is killed with kill -9 in the middle of
    publishing. Whatever it had acknowledged is there when it is started again."""
    number = await play.stage.start_process()
    acknowledged = await _publish_until_killed(play)
    await play.stage.start()
    play.subscriber = await play.stage.connect("subscriber")
    await play.reader.do(action="connect", user_email=SUBSCRIBER)
    for expected in range(acknowledged):
        await play.reader.expect(show=False, action="unread", message=f"number {expected}")
    return (
        f"process {number} was killed after {acknowledged:,} acknowledged messages;"
        f" all {acknowledged:,} came back, in order"
    )


async def _publish_until_killed(play: Play) -> int:
    """Publish without waiting for answers, kill the broker, and return how many were stored."""
    desk = play.publisher = await play.stage.connect("publisher")
    await desk.do(action="connect", user_email=PUBLISHER)
    for number in range(MANY):
        text = f"number {number}"
        desk.send(show=False, action="publish_msg", topic_name=TOPIC, msg=text)
    await desk.expect(show=False, action="success", code=0)
    await play.stage.kill()
    acknowledged = 1
    while True:
        try:
            await desk.expect(show=False, action="success", code=0)
        except StepFailed:
            return acknowledged
        acknowledged += 1


STEPS: list[tuple[str, Step]] = [
    ("Accounts", accounts),
    ("Unread messages", unread),
    ("A topic", topic),
    ("Publish and broadcast", broadcast),
    ("A subscriber that is away", away),
    ("Its return", back),
    ("Unsubscribe", unsubscribe),
    ("A refused request", refused),
    ("The broker killed and started again", killed),
]
