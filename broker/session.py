"""A session: who a connection is, what it may ask, and its answers in the order asked.

Requests take effect in the order they came. Publishes that are plainly good go to the log
without waiting for each other. Everything else waits until all before it is answered, so
that a whole life in one packet works and replies need no sorting.
"""

import asyncio
import logging
from collections.abc import Sequence
from itertools import chain, islice
from typing import Protocol, cast

from broker import actions
from broker.delivery import Outlet, Reader
from broker.events import Event
from broker.gathering import MOST_RUNS, Ticket
from broker.hub import TAKEN_OVER, Hub, Work
from broker.producer import Producer
from broker.publishes import Publishes, TopicRun
from broker.store.errors import StoreError, StoreRefused, Superseded
from broker.store.interface import Account
from broker.topics import Topic
from protocol.frames import encode_bodies
from protocol.lines import LineTooLong
from protocol.names import Role
from protocol.reasons import Reason, RequestRefused
from protocol.replies import SUCCESS_V1, Reply, RequestId, published_lines, refusal
from protocol.requests import AnyRequest, Connect, Create, PublishMany, PublishMsg, decode

DECODED_AT_ONCE = 1_024  # lines
SHOWN = 100  # characters of an e-mail that a stranger gave
TURN_BYTES = 16 * 1_024  # of replies, before other connections have their turn

_logger = logging.getLogger("pubsub.session")


class Peer(Outlet, Protocol):
    """What a session sees of its connection."""

    @property
    def source(self) -> str:
        """The address that the peer connects from."""

    def finish(self) -> None:
        """Close once the other side has taken all that was written."""

    def pause_reading(self) -> None: ...

    def resume_reading(self) -> None: ...


class Session:
    """One connection's requests and replies, from the first byte to the last.

    What it holds is bounded: reading stops while `unfinished_bytes` of publishes are
    unanswered, while requests wait for one that takes time, and while the peer does not
    read its replies.
    """

    __slots__ = (
        "_hub",
        "_inbox",
        "_lines",
        "_next",
        "_resting",
        "_task",
        "_tickets",
        "account",
        "closing",
        "eof",
        "keys",
        "last_refusal",
        "lost",
        "peer",
        "producer",
        "reader",
        "version",
    )

    def __init__(self, hub: Hub, peer: Peer) -> None:
        self._hub = hub
        self.peer = peer
        self._lines: list[Sequence[bytes | LineTooLong]] = []  # what is to be decoded, in pieces
        self._inbox: list[AnyRequest | RequestRefused] = []  # what is decoded
        self._next = 0  # the first request in the inbox that has not been begun
        self._task: asyncio.Task[None] | None = None  # the request that takes time
        self._resting = False  # until the loop's next turn, so that others have theirs
        self._tickets: list[Ticket] = []  # for our publishes that are not answered, oldest first
        self.version = 1
        self.account: Account | None = None
        self.producer: Producer | None = None
        self.reader: Reader | None = None
        self.keys: tuple[object, ...] = ()  # what this session holds in the hub
        self.eof = False  # the peer sends no more
        self.closing = False  # what the peer asks from now on is not heard
        self.lost = False  # nothing more can be said to it
        self.last_refusal = ""  # why the newest request that was refused was

    # what the connection tells

    def receive(self, lines: Sequence[bytes | LineTooLong]) -> None:
        """Take requests. They are begun at once where nothing before them has to be awaited."""
        if not self.closing:
            starts = range(0, len(lines), DECODED_AT_ONCE)
            self._lines += [lines[start : start + DECODED_AT_ONCE] for start in starts]
            self.work()

    def receive_eof(self) -> None:
        """The peer sends no more: answer what it asked, bring what was unread, and close."""
        self.eof = True
        self.work()

    def end(self) -> None:
        """The connection is gone, or will be: deliver nothing more and free the account.

        Publishes that were accepted are carried out, though nobody is told.
        """
        self.closing = self.lost = True
        self._drop_requests()
        self._hub.sign_out(self)

    def close(self, reason: Reason, text: str) -> None:
        """Tell the peer why its session ends, and close once it has been told."""
        if self.lost:
            return
        self.say(refusal(RequestRefused(reason, text)))
        self.end()
        self.peer.finish()

    def say_goodbye(self) -> None:
        """Tell the peer that the broker stops, and close once it has taken all it was sent."""
        if not self.lost:
            self.closing = True
            self._drop_requests()
            text = "the broker is being stopped; connect again when it is back"
            self.say(refusal(RequestRefused(Reason.STOPPING, text)))
            self.finish()

    def confirm(self) -> None:
        """Look up what the peer's TCP has acknowledged of the deliveries."""
        if self.reader is not None:
            self._hub.delivery.confirm_acknowledged(self.reader)

    # answering

    def say(self, reply: Reply) -> None:
        if not self.lost:
            self.peer.write(reply.line(self.version))

    def answer(self, request: AnyRequest, reply: Reply) -> None:
        """Say `reply` under the id of `request`."""
        reply.id = request.id
        self.say(reply)

    def refuse(self, request: AnyRequest, refused: RequestRefused) -> None:
        if isinstance(request, PublishMsg | PublishMany) and self.producer is not None:
            self.producer.note_refused(request.id)
        self._count_refused(refused)
        if isinstance(request, Connect | Create):
            self._tell_refused_sign_in(request, refused)
        if self.lost:
            return
        # Whoever asks for version 2 gets the refusal of that in version 2.
        wanted = request.version if isinstance(request, Connect | Create) else 1
        self.peer.write(refusal(refused, request.id).line(max(self.version, wanted)))

    def _count_refused(self, refused: RequestRefused, count: int = 1) -> None:
        self._hub.refused += count
        self.last_refusal = refused.text
        if refused.reason is Reason.TOO_LARGE:
            who = self.account.email if self.account else "somebody"
            text = f"{who} from {self.peer.source} sent too much: {refused.text}"
            self._hub.seldom.tell(Event.TOO_LARGE, text)

    def _tell_refused_sign_in(self, request: Connect | Create, refused: RequestRefused) -> None:
        self._hub.refused_sign_ins += 1
        wanted = "sign in as" if isinstance(request, Connect) else "make the account"
        guessing = refused.reason in (Reason.WRONG_PASSWORD, Reason.TRY_LATER)
        self._hub.seldom.tell(
            Event.SIGN_IN_REFUSED,
            f"{self.peer.source} cannot {wanted} {request.user_email[:SHOWN]!r}:"
            f" {refused.reason.value}",
            logging.WARNING if guessing else logging.INFO,
        )

    # working through the inbox

    def work(self) -> None:
        """Begin requests in order, until one has to be waited for or others have their turn."""
        turn_ends = self.peer.written + TURN_BYTES
        while not self._held and (self._next < len(self._inbox) or self._decode_some()):
            before = self._next
            if self._publishing:
                self._next = self._publish_from(before)
            if self._next == before:
                if self._tickets or self.peer.congested:
                    break  # what is before it is answered first, and the answers are read
                if self.peer.written > turn_ends:
                    self._rest()
                    break
                self._next += 1
                self._begin(self._inbox[before])
        self._throttle()
        if self.eof and not self.busy and not self.lost:
            self._finish_when_caught_up()

    @property
    def _held(self) -> bool:
        """Whether the next request has to wait, whatever it is."""
        return self._task is not None or self._resting

    def _rest(self) -> None:
        """Go on in the loop's next turn."""
        self._resting = True
        asyncio.get_running_loop().call_soon(self._go_on)

    def _go_on(self) -> None:
        self._resting = False
        self.work()

    @property
    def busy(self) -> bool:
        """Whether something that was asked is not answered yet."""
        return bool(self._waiting or self._tickets or self._task)

    @property
    def _waiting(self) -> bool:
        """Whether there are requests that have not been begun."""
        return self._next < len(self._inbox) or bool(self._lines)

    def _decode_some(self) -> bool:
        """Decode the next lines into the inbox, which is done; return whether there are any.

        Only some at a time: what a line becomes can take many times the memory it had.
        """
        self._inbox, self._next = [], 0
        while self._lines and not self._inbox:  # blank lines become nothing
            self._inbox = decode(self._lines.pop(0))
        return bool(self._inbox)

    def _drop_requests(self) -> None:
        self._lines, self._inbox, self._next = [], [], 0

    def _begin(self, request: AnyRequest | RequestRefused) -> None:
        if isinstance(request, RequestRefused):
            if self.producer is not None:
                self.producer.note_refused(request.id)
            self._count_refused(request)
            self.say(refusal(request))
            return
        try:
            waiting = actions.carry_out(self._hub, self, request)
        except RequestRefused as refused:
            self.refuse(request, refused)
            return
        except Exception:
            self._give_up()
            return
        if waiting is not None:
            self._task = self._hub.start(self._await(request, waiting))

    async def _await(self, request: AnyRequest, waiting: Work) -> None:
        """See a request through that takes time, then go on with those behind it."""
        if self.lost:  # since it was asked, and nothing of it has begun
            waiting.close()
            self._task = None
            return
        try:
            await waiting
        except RequestRefused as refused:
            self.refuse(request, refused)
        except Superseded:
            self.close(Reason.TAKEN_OVER, TAKEN_OVER)  # at another broker, which was not heard
        except StoreError as error:
            did = "refuses this" if isinstance(error, StoreRefused) else "does not answer"
            text = f"the store {did} ({error}); ask again in a moment"
            self.refuse(request, RequestRefused(Reason.STORE_UNAVAILABLE, text))
        except Exception:
            self._give_up()
        finally:
            self._task = None
        self.work()

    def _give_up(self) -> None:
        """Close the connection after a fault of the program, which the others go on without.

        What became of the request is not known, and its reply would be waited for for ever.
        """
        _logger.exception("a request failed, and its connection is closed")
        self.end()
        self.peer.finish()

    def _throttle(self) -> None:
        """Read on only while what is unfinished is within its bound, and the answers are read."""
        if self.lost:
            return
        unfinished = sum(ticket.size for ticket in self._tickets)
        limit = self._hub.settings.unfinished_bytes
        if self._waiting or self.peer.congested or unfinished > limit:
            self.peer.pause_reading()
        else:
            self.peer.resume_reading()

    def _finish_when_caught_up(self) -> None:
        if self.reader is None or self.reader.caught_up:
            self.finish()
        else:
            self.reader.when_caught_up = self.finish

    def finish(self) -> None:
        """Send nothing more, and close once the peer has taken what was sent."""
        if self.reader is not None:
            self._hub.delivery.stop(self.reader)
        self.peer.finish()

    # publishing

    @property
    def _publishing(self) -> bool:
        account = self.account
        return account is not None and account.role is Role.PUBLISHER and not self.lost

    def _publish_from(self, start: int) -> int:
        """Hand the publishes from `start` on to the log; return where the first other one is.

        Stops before what is not plainly good, which is then dealt with by itself, and after a
        list.
        """
        if self._hub.log.closed is not None:
            return start
        publishes = self._plainly_good(start)
        if publishes.topics:
            start += self._hand_on(publishes)
        if start < len(self._inbox) and self._append_list(self._inbox[start]):
            start += 1
        return start

    def _plainly_good(self, start: int) -> Publishes:
        """Return the publishes from `start` on, up to the first that may not be good."""
        topics: list[Topic] = []
        add, get_topic, producer = topics.append, self._hub.topics.get, self.producer
        # A message can be over the limit only if it has more characters than a sixth of it:
        # escaped, a character takes six bytes at most (a surrogate pair takes twelve, but
        # is sent as four).
        plain = self._hub.settings.message_bytes // 6
        last_id = producer.newest_id if producer else None
        name, turns = None, 0
        inbox = cast(list[PublishMsg], self._inbox)  # as far as this goes
        for request in islice(inbox, start, None):
            if request.__class__ is not PublishMsg:
                break
            if len(request.msg) > plain:
                break
            if last_id is not None:
                request_id = request.id
                if type(request_id) is not int or request_id <= last_id:
                    break
                last_id = request_id
            if request.topic_name != name:
                found = get_topic(request.topic_name)
                if found is None:
                    break
                topic, name = found, found.name
                turns += 1
            add(topic)
        return Publishes(topics, inbox[start : start + len(topics)], turns)

    def _hand_on(self, publishes: Publishes) -> int:
        """Give the log what is good, or the first of it; return how many messages that are."""
        if publishes.turns > 1 and not self._kept_with_ids:
            self._accept(publishes.requests[-1].id)
            self._append_alternating(publishes)
            return len(publishes.topics)
        runs = publishes.in_order(MOST_RUNS)
        self._accept(runs[-1][2][-1])
        self._append(runs)
        return sum(len(messages) for _, messages, _ in runs)

    @property
    def _kept_with_ids(self) -> bool:
        """Whether the store keeps with each block which publishes of this producer are in it."""
        return self.producer is not None and self._hub.log.limits.block.keep_whole

    def _accept(self, request_id: RequestId) -> None:
        if self.producer is not None:
            self.producer.accept(request_id)

    def _append_list(self, request: AnyRequest | RequestRefused) -> bool:
        """Hand a list to the log, if that is what it is and it is plainly good."""
        if not isinstance(request, PublishMany) or self.version < request.version_needed:
            return False
        topic, producer = self._hub.topics.get(request.topic_name), self.producer
        if topic is None or max(map(len, request.msgs)) > self._hub.settings.message_bytes // 6:
            return False
        if producer is not None:
            if type(request.id) is not int or request.id <= producer.newest_id:
                return False
            producer.accept(request.id)
        self.append(topic, request.msgs, [request.id], whole=True)
        return True

    def check_size(self, message: str) -> None:
        """Refuse a message that is over the limit."""
        limit = self._hub.settings.message_bytes
        if len(message) > limit // 6 and len(encode_bodies([message])) - 1 > limit:
            raise RequestRefused(
                Reason.TOO_LARGE,
                f"the message takes more than {limit} bytes; split it, or publish where it is kept",
            )

    def append(
        self, topic: Topic, messages: list[str], ids: list[RequestId], *, whole: bool = False
    ) -> None:
        """Hand checked messages to the log."""
        self._append([(topic, messages, ids)], whole=whole)

    def _append(self, runs: Sequence[TopicRun], *, whole: bool = False) -> None:
        assert self.account is not None
        mark = self.producer.mark() if self.producer else None
        ticket = self._hub.log.append(
            self.account, runs, owner=self, settle=self._settled, whole=whole, mark=mark
        )
        self._hold(ticket)

    def _append_alternating(self, publishes: Publishes) -> None:
        assert self.account is not None
        mark = self.producer.mark() if self.producer else None
        ticket = self._hub.log.append_alternating(
            self.account, publishes, owner=self, settle=self._settled, mark=mark
        )
        self._hold(ticket)

    def _hold(self, ticket: Ticket) -> None:
        if not self._tickets or self._tickets[-1] is not ticket:
            self._tickets.append(ticket)

    def _settled(self, ticket: Ticket, refused: RequestRefused | None) -> None:
        """Answer the publishes of one commit."""
        self._tickets.remove(ticket)
        if not self.lost:
            if refused is None:
                self.peer.write(self._successes(ticket))
            else:
                self._say_refused(ticket, refused)
        self.work()

    def _successes(self, ticket: Ticket) -> bytes:
        if self.version == 1:
            return SUCCESS_V1 * sum(len(asked.ids) for asked in ticket.asked)
        ids = chain.from_iterable(asked.ids for asked in ticket.asked)
        seqs = chain.from_iterable(asked.reply_seqs for asked in ticket.asked)
        return published_lines(ids, seqs)

    def _say_refused(self, ticket: Ticket, refused: RequestRefused) -> None:
        for asked in ticket.asked:
            self._count_refused(refused, len(asked.ids))
            for request_id in asked.ids:
                self.peer.write(refusal(refused, request_id).line(self.version))
        if self.producer is not None:
            # Were a later publish stored, the refused ones would look like repeats when
            # they are sent again.
            self.close(refused.reason, f"{refused.text}. This session ends; sign in again")
