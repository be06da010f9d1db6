"""Comparing two stores without holding either in memory."""

from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone

from hypothesis import given
from hypothesis import strategies as st

from broker.store.comparing import Digest, side_by_side
from broker.store.interface import StoredBlock
from protocol.frames import encode_bodies

NOW = datetime(2024, 1, 1, 12, tzinfo=UTC)

# A message: its text, its publisher, and when it was committed.
MESSAGES = st.lists(
    st.tuples(st.sampled_from(["", "a", "\n", "ab"]), st.sampled_from(["", "p", "q"]),
              st.sampled_from([0, 1])),
    max_size=8,
)  # fmt: skip
CUTS = st.lists(st.booleans(), min_size=8, max_size=8)

Message = tuple[str, str, int]


@dataclass(frozen=True)
class Entry:
    name: str
    value: int

    @property
    def key(self) -> tuple[str, ...]:
        return (self.name,)


def digest(messages: Sequence[Message], cuts: Sequence[bool], zone: timezone = UTC) -> Digest:
    """Return the checksum of the messages, cut into blocks where it is said or has to be."""
    made, runs = Digest(), list[list[Message]]()
    for message, cut in zip(messages, cuts, strict=False):
        if runs and not cut and runs[-1][-1][2] == message[2]:
            runs[-1].append(message)
        else:
            runs.append([message])
    for run in runs:
        publishers = tuple(publisher for _, publisher, _ in run)
        at = (NOW + timedelta(microseconds=run[0][2])).astimezone(zone)
        made.add(
            [
                StoredBlock(
                    1,
                    len(run),
                    publishers[:1] if len({*publishers}) == 1 else publishers,
                    at,
                    encode_bodies([text for text, _, _ in run]),
                )
            ]
        )
    return made


@given(MESSAGES, CUTS, MESSAGES, CUTS)
def test_messages_have_one_checksum_however_they_are_cut_and_others_another(
    messages: list[Message], cuts: list[bool], others: list[Message], other_cuts: list[bool]
) -> None:
    one = digest(messages, cuts)
    assert one.differences(digest(messages, other_cuts, timezone(timedelta(hours=5)))) == []
    expected = [] if len(messages) == len(others) else ["number"]
    for place, name in enumerate(["texts", "publishers", "times"]):
        if [message[place] for message in messages] != [other[place] for other in others]:
            expected.append(name)
    assert one.differences(digest(others, other_cuts)) == expected


ENTRIES = st.dictionaries(st.text(max_size=2), st.integers(0, 1), max_size=8)


@given(ENTRIES, ENTRIES, st.integers(1, 3), st.integers(1, 3))
async def test_entries_meet_by_key_however_they_come_in_chunks(
    left: dict[str, int], right: dict[str, int], left_chunk: int, right_chunk: int
) -> None:
    pairs = side_by_side(chunks(left, left_chunk), chunks(right, right_chunk))
    expected = []
    for name in sorted(left.keys() | right.keys()):
        a = Entry(name, left[name]) if name in left else None
        b = Entry(name, right[name]) if name in right else None
        expected.append((a, b))
    assert [pair async for pair in pairs] == expected


async def chunks(entries: dict[str, int], size: int) -> AsyncGenerator[Sequence[Entry], None]:
    found = [Entry(name, entries[name]) for name in sorted(entries)]
    for start in range(0, len(found), size):
        yield found[start : start + size]
