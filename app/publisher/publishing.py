"""Sending messages and keeping the rows that say what became of them."""

import asyncio
import logging
from collections.abc import Coroutine

from app.publisher.clock import Clock
from app.publisher.confirming import Confirming
from app.publisher.file_sending import FileOrder, FileSending, Progress, what
from app.publisher.recall import Recall
from app.publisher.sent import Mark, Row, SentList
from app.publisher.sizes import size_of
from clients import Publisher, RequestRefused, SessionEnded
from clients.outbox import Publication
from clients.values import TopicState

_logger = logging.getLogger("pubsub.screens")

MOST_WAITING = 1_000  # messages sent by hand without an answer


class NotSent(Exception):
    """The message was not accepted and stays where it was typed. The text says why."""


class Publishing:
    """What one account sends on one screen, and what has become of it.

    Every accepted message has a row in `sent`, a file one for all of its messages.
    """

    def __init__(self, client: Publisher, recall: Recall, clock: Clock) -> None:
        self.sent = SentList()
        self.file: FileSending | None = None  # the newest
        self._client = client
        self._recall = recall
        self._clock = clock
        self._confirming = Confirming(self.sent)
        self._open: dict[Row, Publication] = {}
        self._file_rows: dict[int, FileSending] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def unsent(self) -> int:
        """Messages that are neither stored nor refused, those of a file on its way too."""
        return len(self._open) + (self.file.left if self.file is not None else 0)

    def publish(self, topic: str, text: str) -> Row:
        """Accept a message and follow what becomes of it.

        Raises:
            NotSent: too many wait, or the session has ended.
        """
        if len(self._open) >= MOST_WAITING:
            raise NotSent(f"{MOST_WAITING:,} messages wait for the broker already")
        try:
            publication = self._client.send_soon(topic, text)
        except SessionEnded as ended:
            raise NotSent(f"the session is over: {ended}. Ctrl+T signs in again") from ended
        self._recall.add(topic, text)
        row = Row(topic, text, size_of(text), self._clock.wall(), self._clock.now())
        self.sent.add(row)
        self._open[row] = publication
        self._start(self._follow(row, publication))
        return row

    def send_file(self, order: FileOrder) -> Row:
        """Begin to send a file.

        Raises:
            NotSent: another one is on its way.
        """
        if self.file is not None and not self.file.over:
            raise NotSent(f"{self.file.order.path.name} is being sent; it can be cancelled")
        limits = self._client.limits
        assert limits is not None
        row = Row(order.topic, what(order), 0, self._clock.wall(), self._clock.now(), of_file=True)
        sending = FileSending(
            self._client, order, limits.message_bytes, told=lambda: self._show_file(row, sending)
        )
        self.file = self._file_rows[row.number] = sending
        self.sent.add(row)
        self._start(self._run_file(row, sending))
        return row

    def file_of(self, row: Row) -> FileSending | None:
        """Return the file that `row` is about."""
        return self._file_rows.get(row.number)

    def reconnected(self) -> None:
        """What was sent and not answered has been sent again: say so in its row."""
        for row, publication in self._open.items():
            if publication.resent:
                self.sent.resend(row)

    async def topics(self) -> list[TopicState]:
        """Return the topics, and mark what they tell of.

        Raises:
            SessionEnded: it is over for good.
        """
        asked_at = self._clock.now()
        topics = await self._client.topics()
        self._confirming.take_topics(topics, asked_at)
        return topics

    async def ask_for_confirmations(self) -> None:
        """Ask for what may have changed by now; see `Confirming` for how little that is.

        Raises:
            SessionEnded: it is over for good.
        """
        for topic in self._confirming.due(self._clock.now()):
            search = self._confirming.search(topic)
            while (seq := search.next()) is not None:
                try:
                    answer = await self._client.confirmations(topic, seq)
                except RequestRefused:
                    break
                self._confirming.take(answer)
                search.take(through=answer.confirmed >= answer.subscriptions)

    async def drain(self) -> None:
        """Return when nothing is unsent, and the rows say what has become of it.

        A file that is paused goes on.
        """
        if self.file is not None:
            self.file.resume()
        while self._tasks:
            await asyncio.wait([*self._tasks])

    async def stop(self) -> None:
        """Follow nothing any more. What was accepted goes on as long as the client does."""
        tasks = [*self._tasks]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _follow(self, row: Row, publication: Publication) -> None:
        try:
            receipt = await publication
        except (RequestRefused, SessionEnded) as error:
            self.sent.fail(row, _why(error), self._clock.now())
        else:
            self.sent.store(row, receipt.seq, self._clock.now())
        finally:
            del self._open[row]

    async def _run_file(self, row: Row, sending: FileSending) -> None:
        try:
            await sending.run()
        finally:
            row.settled = self._clock.now()
            self.sent.changes += 1

    def _show_file(self, row: Row, sending: FileSending) -> None:
        """Say in the row how far the file is."""
        before = row.messages
        row.messages = (sending.stored, sending.failed)
        self.sent.count(stored=sending.stored - before[0], failed=sending.failed - before[1])
        row.why = sending.in_words()
        row.seq = sending.last_seq
        if sending.over:
            whole = sending.progress is Progress.DONE and not sending.failed
            row.mark = Mark.STORED if whole else Mark.FAILED
            row.settled = self._clock.now()
            self._forget_files()

    def _forget_files(self) -> None:
        shown = {row.number for row in self.sent.rows}
        for number in [*self._file_rows]:
            if number not in shown:
                del self._file_rows[number]

    def _start(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            _logger.error("following what was sent failed", exc_info=error)


def _why(error: Exception) -> str:
    if isinstance(error, SessionEnded):
        return f"it is not known whether it is stored: {error}"
    return str(error)
