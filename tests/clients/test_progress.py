"""Every interleaving of what can happen to a subscription, against a broker in four numbers."""

from collections import deque

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from clients.progress import Progress

few = st.integers(1, 5)


class Subscription(RuleBasedStateMachine):
    """A broker's topic and cursor, a program that takes messages, and `Progress` between them.

    Acks travel: what was sent may get lost with the connection, and what the broker heard may
    be forgotten where it is killed before it saves its cursors.
    """

    def __init__(self) -> None:
        super().__init__()
        self.head = self.cursor = self.saved = self.sent = 0  # the broker's
        self.connected = False
        self.acks: deque[int] = deque()  # on their way to the broker
        self.progress = Progress()
        self.waiting: deque[int] = deque()  # received, not handed out
        self.handed = 0  # the newest, and the number of them, for they are 1, 2, 3, ...

    # the broker

    @rule(count=few)
    def publish(self, count: int) -> None:
        self.head += count

    @precondition(lambda self: self.connected and self.sent < self.head)
    @rule(count=few)
    def deliver(self, count: int) -> None:
        first, last = self.sent + 1, min(self.sent + count, self.head)
        self.sent = last
        repeated = self.progress.receive(first, last)
        assert 0 <= repeated <= last + 1 - first
        self.waiting += range(first + repeated, last + 1)

    @precondition(lambda self: self.acks)
    @rule()
    def hear(self) -> None:
        self.cursor = max(self.cursor, self.acks.popleft())

    @rule()
    def save(self) -> None:
        self.saved = self.cursor

    @rule(killed=st.booleans())
    def lose_connection(self, killed: bool) -> None:
        self.connected = False
        self.acks.clear()
        if killed:
            self.cursor = self.saved

    @precondition(lambda self: not self.connected)
    @rule()
    def connect(self) -> None:
        self.connected = True
        self.sent = self.cursor
        assert not self.progress.begin(self.cursor, self.head)

    # the program

    @precondition(lambda self: self.waiting)
    @rule()
    def hand(self) -> None:
        seq = self.waiting.popleft()
        assert seq == self.handed + 1, "a gap or a repeat"
        self.handed = seq

    @rule(back=st.integers(0, 3))
    def confirm(self, back: int) -> None:
        self.progress.confirm(max(self.handed - back, 0))

    @rule()
    def confirm_what_never_came(self) -> None:
        if not self.waiting:
            self.progress.confirm(self.handed + 100)

    @precondition(lambda self: self.connected)
    @rule()
    def acknowledge(self) -> None:
        seq = self.progress.due()
        if seq is not None:
            assert self.cursor < seq <= self.sent, "the broker would refuse it"
            assert seq <= self.handed, "it was not handed out"
            self.acks.append(seq)
        assert self.progress.due() is None

    @invariant()
    def numbers_keep_their_order(self) -> None:
        one = self.progress
        assert one.processed <= one.taken
        assert one.acked <= max(one.delivered, self.cursor) or not self.connected
        assert one.taken == self.handed + len(self.waiting)

    def teardown(self) -> None:
        """However it went: once connected, all is delivered, handed out, and confirmed."""
        self.lose_connection(killed=True)
        self.connect()
        self.acknowledge()  # not yet what has not come again
        while self.sent < self.head:
            self.deliver(5)
        while self.waiting:
            self.hand()
        assert self.handed == self.head
        self.confirm(0)
        self.acknowledge()
        assert not self.progress.unheard
        while self.acks:
            self.hear()
        assert self.cursor == self.head


TestSubscription = Subscription.TestCase
TestSubscription.settings = settings(max_examples=60, stateful_step_count=40)


def test_a_topic_made_anew_is_taken_from_its_cursor_on() -> None:
    progress = Progress()
    progress.receive(1, 100)
    progress.confirm(90)
    assert progress.begin(0, 100) is False
    assert progress.begin(0, 3) is True
    assert progress.due() is None
    assert progress.receive(1, 3) == 0
    progress.confirm(2)
    assert progress.due() == 2


@given(st.integers(0, 50), st.integers(1, 50), st.integers(1, 20))
def test_what_came_before_is_told_apart_from_what_is_new(
    taken: int, first: int, count: int
) -> None:
    progress = Progress(taken=taken)
    block = range(first, first + count)
    repeated = progress.receive(first, first + count - 1)
    assert repeated == sum(seq <= taken for seq in block)
    assert progress.taken == max([taken, *block])
