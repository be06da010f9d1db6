"""Sending a file's messages."""

import asyncio
from pathlib import Path

from app.publisher.file_messages import Mode
from app.publisher.file_sending import FileOrder, FileSending, Progress
from broker import Broker
from clients import Publisher, RequestRefused, SessionEnded, TopicNotFound
from clients.outbox import Batch, Publication


class Answering:
    """Answers each message at once, or when it is let to; refuses or ends as it is told."""

    def __init__(self) -> None:
        self.sent: list[str] = []
        self.refuse: dict[str, Exception] = {}
        self.held: list[Batch] | None = None
        self.changed = asyncio.Event()

    async def send(self, topic: str, text: str) -> Publication:
        self.sent.append(text)
        batch = Batch(len(self.sent), topic)
        batch.count = 1
        if text in self.refuse:
            batch.first_seq.set_exception(self.refuse[text])
        elif self.held is None:
            batch.first_seq.set_result(len(self.sent))
        else:
            self.held.append(batch)
        self.changed.set()
        return Publication(batch, 0)

    def answer_held(self) -> None:
        assert self.held is not None
        for number, batch in enumerate(self.held, 1):
            batch.first_seq.set_result(number)
        self.held = None


def sending(sender: Answering, path: Path, rate: float = 0.0) -> FileSending:
    return FileSending(sender, FileOrder(path, Mode.LINES, "T", rate), 100, told=lambda: None)


def lines(folder: Path, number: int) -> Path:
    path = folder / "lines"
    path.write_text("".join(f"{n}\n" for n in range(number)))
    return path


async def test_all_are_stored_in_order(tmp_path: Path) -> None:
    sender = Answering()
    file = sending(sender, lines(tmp_path, 1000))
    await file.run()
    assert sender.sent == [str(n) for n in range(1000)]
    assert (file.progress, file.stored, file.last_seq) == (Progress.DONE, 1000, 1000)
    assert file.in_words() == "1,000 stored"


async def test_what_fails_is_counted_and_the_rest_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "lines"
    path.write_bytes(b"a\n\xff\nbad\nb\n" + b"x" * 200 + b"\nc\n")
    sender = Answering()
    sender.refuse = {"bad": RequestRefused("odd", "it is odd")}
    file = sending(sender, path)
    await file.run()
    assert file.in_words() == "3 stored, 3 failed"
    assert [piece.number for piece in file.failures] == [2, 5, 3]
    assert {piece.data for piece in file.failures} == {b"\xff", b"", b"bad"}
    assert "it is odd" in [piece.fault for piece in file.failures]


async def test_a_missing_topic_or_a_session_that_ends_breaks_it_off(tmp_path: Path) -> None:
    for error in (TopicNotFound("topic_not_found", "no topic T"), SessionEnded("taken over")):
        sender = Answering()
        sender.refuse = {"3": error}
        file = sending(sender, lines(tmp_path, 100_000))
        await file.run()
        assert file.progress is Progress.BROKEN
        assert len(sender.sent) < 5_000
        assert file.stored + file.failed == len(sender.sent)
        assert file.in_words().endswith(f"1 failed, broken off: {error}")


async def test_a_file_that_cannot_be_read_says_why(tmp_path: Path) -> None:
    file = sending(Answering(), tmp_path / "missing")
    await file.run()
    assert file.progress is Progress.BROKEN
    assert "No such file" in file.in_words()


async def test_it_pauses_resumes_and_is_cancelled(tmp_path: Path) -> None:
    sender = Answering()
    sender.held = []
    file = sending(sender, lines(tmp_path, 100_000))
    running = asyncio.create_task(file.run())
    await sender.changed.wait()
    file.pause()
    assert file.in_words().endswith("paused")
    sender.answer_held()
    file.resume()
    file.cancel()
    await running
    assert file.in_words().endswith("cancelled")
    assert 0 < file.stored == len(sender.sent) < 100_000
    file.pause()
    assert file.in_words().endswith("cancelled")  # it is over


async def test_so_many_are_under_way_at_most(tmp_path: Path) -> None:
    sender = Answering()
    sender.held = []
    file = sending(sender, lines(tmp_path, 10_000))
    running = asyncio.create_task(file.run())
    async with asyncio.timeout(10):
        while len(sender.sent) <= 2_048:
            sender.changed.clear()
            await sender.changed.wait()
    for _ in range(20):
        await asyncio.sleep(0)
    assert len(sender.sent) <= 2_048 + 256
    sender.answer_held()
    await running
    assert file.stored == 10_000


async def test_a_rate_is_kept_and_cancelling_does_not_wait_for_it(tmp_path: Path) -> None:
    sender = Answering()
    file = sending(sender, lines(tmp_path, 100), rate=0.001)
    running = asyncio.create_task(file.run())
    await sender.changed.wait()
    file.cancel()
    await running
    assert sender.sent == ["0"]
    assert file.in_words() == "1 stored, cancelled"


async def test_a_broker_stores_a_file(broker: Broker, tmp_path: Path) -> None:
    async with Publisher(f"127.0.0.1:{broker.port}", "a@example.com", create=True) as publisher:
        await publisher.create_topic("T")
        order = FileOrder(lines(tmp_path, 5_000), Mode.LINES, "T")
        file = FileSending(publisher, order, 1_000, told=lambda: None)
        await file.run()
        assert (file.stored, file.last_seq) == (5_000, 5_000)
        newest = await publisher.history("T", before=5_001, limit=2)
        assert [one.text for one in newest] == ["4998", "4999"]
