"""What collects for one commit, and how it is cut into blocks."""

from datetime import UTC, datetime
from itertools import chain

from hypothesis import given
from hypothesis import strategies as st

from broker.block import Block
from broker.gathering import Gathering, Run, Ticket
from broker.store.errors import BatchOutdated
from broker.store.interface import Account, Commit, ProducerMark
from broker.topic_messages import BlockLimits, TopicMessages
from broker.topics import Topic
from protocol.frames import Delivery, encode_bodies, split_bodies
from protocol.names import Role
from protocol.reasons import RequestRefused
from protocol.replies import RequestId

NOON = datetime(2026, 5, 4, 12, 0, tzinfo=UTC)
WIDE = BlockLimits(count=1_000, size=2**20)
SHOP = Account(1, "shop@b.c", Role.PUBLISHER)
DEPOT = Account(2, "depot@b.c", Role.PUBLISHER)


def ignore(ticket: Ticket, refused: RequestRefused | None) -> None:
    pass


def gathering_of(*added: tuple[Topic, Account, list[str]]) -> Gathering:
    gathering = Gathering(0.0)
    for topic, account, messages in added:
        gathering.add(topic, account, messages, [*range(len(messages))], False, Ticket(ignore))
    return gathering


def texts(blocks: list[Block]) -> list[list[str]]:
    """Return the messages of each block, as bodies without quotes."""
    return [[line.decode()[1:-2] for line in split_bodies(block.bodies)] for block in blocks]


def test_what_is_published_to_a_topic_becomes_one_block_in_the_order_it_came() -> None:
    topic = Topic(1, "T", 0)
    gathering = gathering_of((topic, SHOP, ["a"]), (topic, SHOP, ["b", "c"]), (topic, SHOP, ["d"]))
    (block,) = gathering.blocks(WIDE)
    assert texts([block]) == [["a", "b", "c", "d"]]
    assert (block.topic_name, block.count, block.publishers) == ("T", 4, ("shop@b.c",))


def test_each_topic_has_blocks_of_its_own() -> None:
    one, other = Topic(1, "T", 0), Topic(2, "U", 0)
    gathering = gathering_of((one, SHOP, ["a"]), (other, SHOP, ["1"]), (one, SHOP, ["b"]))
    assert texts(gathering.blocks(WIDE)) == [["a", "b"], ["1"]]


def test_publishers_are_named_per_message_only_where_they_differ() -> None:
    topic = Topic(1, "T", 0)
    again = Account(1, "shop@b.c", Role.PUBLISHER)  # the same account in another session
    same = gathering_of((topic, SHOP, ["a", "b"]), (topic, again, ["c"]))
    mixed = gathering_of((topic, SHOP, ["a", "b"]), (topic, DEPOT, ["c"]))
    assert [block.publishers for block in same.blocks(WIDE)] == [("shop@b.c",)]
    assert [block.publishers for block in mixed.blocks(WIDE)] == [
        ("shop@b.c", "shop@b.c", "depot@b.c")
    ]


def test_a_block_of_one_publisher_cut_out_of_a_mixed_topic_names_it_once() -> None:
    topic = Topic(1, "T", 0)
    gathering = gathering_of((topic, SHOP, ["a", "b"]), (topic, DEPOT, ["c", "d"]))
    blocks = gathering.blocks(BlockLimits(count=2, size=2**20))
    assert [block.publishers for block in blocks] == [("shop@b.c",), ("depot@b.c",)]


def test_blocks_are_bounded_by_count() -> None:
    gathering = gathering_of((Topic(1, "T", 0), SHOP, [*"abcdefg"]))
    blocks = gathering.blocks(BlockLimits(count=3, size=2**20))
    assert texts(blocks) == [["a", "b", "c"], ["d", "e", "f"], ["g"]]
    assert [block.first_seq for block in blocks] == [0, 3, 6]


def test_blocks_are_bounded_by_size_but_hold_at_least_one_message() -> None:
    messages = ["x" * 97, "y" * 97, "z" * 97, "L" * 1_000, "x" * 97]  # 100 bytes each, and a large
    gathering = gathering_of((Topic(1, "T", 0), SHOP, messages))
    assert texts(gathering.blocks(BlockLimits(count=100, size=200))) == [
        messages[0:2],
        messages[2:3],
        messages[3:4],
        messages[4:5],
    ]


limits = st.builds(BlockLimits, count=st.integers(1, 6), size=st.integers(1, 400))
publishers = st.sampled_from([SHOP, DEPOT, Account(3, "ü" * 30 + '"\\@b.c', Role.PUBLISHER)])
runs = st.lists(
    st.tuples(publishers, st.lists(st.text(max_size=40), min_size=1, max_size=6)),
    min_size=1,
    max_size=6,
)


@given(runs=runs, limits=limits)
def test_however_blocks_are_cut_they_hold_all_messages_in_order_within_the_limits(
    runs: list[tuple[Account, list[str]]], limits: BlockLimits
) -> None:
    topic = Topic(1, "T", 0)
    blocks = gathering_of(*[(topic, account, messages) for account, messages in runs]).blocks(
        limits
    )
    messages = [message for _, some in runs for message in some]
    emails = [account.email for account, some in runs for _ in some]
    assert b"".join(block.bodies for block in blocks) == encode_bodies(messages)
    named = []
    seq = 0
    for block in blocks:
        assert block.first_seq == seq
        assert block.count == len(split_bodies(block.bodies)) <= limits.count
        assert len(block.publishers) in (1, block.count)
        named += [*block.publishers] * (1 if len(block.publishers) == block.count else block.count)
        if block.count > 1:
            several = len(block.publishers) > 1
            named_bytes = len(encode_bodies(block.publishers)) if several else 0
            assert len(block.bodies) + named_bytes <= limits.size
        seq = block.last_seq + 1
    assert named == emails


def test_a_mixed_block_keeps_to_the_size_whatever_the_addresses_are() -> None:
    topic = Topic(1, "T", 0)
    accounts = [Account(n, "😀" * 240 + f"@b{n}.c", Role.PUBLISHER) for n in range(2)]
    gathering = gathering_of(*[(topic, accounts[n % 2], ["x"]) for n in range(100)])
    blocks = gathering.blocks(BlockLimits(count=100, size=10_000))
    assert all(len(block.frame(2, Delivery.BROADCAST)) <= 10_200 for block in blocks)


def test_the_batch_holds_the_blocks_with_ids_and_the_heads_that_are_known() -> None:
    one, other, mark = Topic(1, "T", 7), Topic(2, "U", 0), ProducerMark(1, "till", 4)
    gathering = gathering_of((one, SHOP, ["a"]), (one, DEPOT, ["b"]), (other, SHOP, ["1"]))
    ticket = Ticket(ignore)
    gathering.mark(ProducerMark(1, "till", 3), ticket)
    gathering.mark(mark, ticket)
    batch = gathering.batch(99, gathering.blocks(WIDE))
    assert (batch.id, batch.heads, [*batch.producers]) == (99, {1: 7, 2: 0}, [mark])
    assert [(block.topic_id, block.count, [*block.publishers]) for block in batch.blocks] == [
        (1, 2, [1, 2]),
        (2, 1, [1]),
    ]


def test_blocks_and_runs_get_their_seqs_from_the_commit() -> None:
    one, other = Topic(1, "T", 10), Topic(2, "U", 0)
    ticket, gathering = Ticket(ignore), Gathering(0.0)
    for topic, messages in [(one, ["a", "b"]), (other, ["1"]), (one, ["c"]), (other, ["2", "3"])]:
        gathering.add(topic, SHOP, messages, [*range(len(messages))], False, ticket)
    blocks = gathering.blocks(BlockLimits(count=2, size=2**20))
    committed = [*gathering.committed(blocks, Commit([11, 13, 1, 3], NOON))]
    assert [(topic.name, block.first_seq, block.last_seq) for topic, block in committed] == [
        ("T", 11, 12),
        ("T", 13, 13),
        ("U", 1, 2),
        ("U", 3, 3),
    ]
    assert {block.committed_at for _, block in committed} == {NOON}
    assert [run.reply_seqs[0] for run in ticket.asked] == [11, 1, 13, 2]


def test_tickets_and_gathering_count_the_memory_of_their_messages() -> None:
    gathering, mine, other = Gathering(0.0), Ticket(ignore), Ticket(ignore)
    topic = Topic(1, "T", 0)
    gathering.add(topic, SHOP, ["x" * 1_000, "y"], [1, 2], False, mine)
    gathering.add(topic, DEPOT, ["z"], [1], False, other)
    assert 1_001 < mine.size < 1_500
    assert 0 < other.size < 500
    assert gathering.size == mine.size + other.size


def test_ids_that_are_strings_count_as_messages_do() -> None:
    gathering, topic = Gathering(0.0), Topic(1, "T", 0)
    plain, named = Ticket(ignore), Ticket(ignore)
    gathering.add(topic, SHOP, [""] * 100, [*range(100)], False, plain)
    gathering.add(topic, SHOP, [""] * 100, ["x" * 200] * 100, False, named)
    assert named.size > plain.size + 100 * 200


@given(st.data())
def test_what_is_outdated_is_taken_out_and_the_rest_keeps_its_order(data: st.DataObject) -> None:
    topics = [Topic(number, f"T{number}", 0) for number in (1, 2, 3)]
    gathering, tickets = Gathering(0.0), [Ticket(ignore) for _ in range(4)]
    sent: list[tuple[Ticket, Topic, list[str]]] = []
    for number in range(data.draw(st.integers(0, 20))):
        ticket, topic = data.draw(st.sampled_from(tickets)), data.draw(st.sampled_from(topics))
        texts_ = [f"{number}.{part}" for part in range(data.draw(st.integers(1, 3)))]
        whole = data.draw(st.booleans())
        ids: list[RequestId] = [number] if whole else [*range(len(texts_))]
        gathering.add(topic, data.draw(st.sampled_from([SHOP, DEPOT])), texts_, ids, whole, ticket)
        gathering.tickets[id(ticket)] = ticket
        sent.append((ticket, topic, texts_))
    gathering.mark(ProducerMark(1, "till", 9), tickets[0])
    outdated = BatchOutdated(
        frozenset(data.draw(st.sets(st.sampled_from([1, 2, 3])))),
        frozenset(data.draw(st.sets(st.sampled_from([(1, "till"), (1, "other")])))),
    )
    gone = {id(ticket) for ticket in gathering.take_out(outdated)}
    there = {id(ticket) for ticket, _, _ in sent}
    named = {id(ticket) for ticket, topic, _ in sent if topic.id in outdated.topics}
    named |= {id(tickets[0])} & there if (1, "till") in outdated.producers else set()
    assert gone == named
    assert {id(one) for one in gathering.tickets.values()} == there - gone
    kept = [(ticket, topic, texts_) for ticket, topic, texts_ in sent if id(ticket) not in gone]
    for topic in topics:
        expected = [text for _, of, texts_ in kept if of is topic for text in texts_]
        appended = gathering.topics.get(topic, TopicMessages(topic))
        assert appended.messages == expected
        assert sum(count for _, count in appended.runs) == len(expected)
    for ticket in [one for one in tickets if id(one) not in gone]:
        own = [texts_ for one, _, texts_ in kept if one is ticket]
        assert [
            run.appended.messages[run.offset : run.offset + len(texts_)]
            for run, texts_ in zip(ticket.runs, own, strict=True)
            if isinstance(run, Run)
        ] == own


@given(
    st.lists(st.tuples(st.integers(1, 7), st.booleans()), min_size=1, max_size=12),
    st.integers(1, 6),
    st.integers(3, 60),
)
def test_what_was_published_together_stays_in_one_block_where_that_is_wanted(
    runs: list[tuple[int, bool]], count: int, size: int
) -> None:
    topic, gathering, together = Topic(1, "T", 0), Gathering(0.0), []
    for number, (length, whole) in enumerate(runs):
        messages = [f"{number}.{place}" for place in range(length)]
        gathering.add(topic, SHOP, messages, [1], whole, Ticket(ignore))
        together += [messages] if whole else [[one] for one in messages]
    blocks = texts(gathering.blocks(BlockLimits(count, size, keep_whole=True)))
    assert [*chain(*blocks)] == [*chain(*together)]
    for block in blocks:
        parts = [part for part in together if part[0] in block]
        assert [*chain(*parts)] == block
        within = len(block) <= count and sum(len(one) + 3 for one in block) <= size
        assert within or len(parts) == 1
