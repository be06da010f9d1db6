"""How long to wait before trying again."""

from hypothesis import given
from hypothesis import strategies as st

from clients.backoff import Backoff


@given(st.integers(1, 10_000), st.floats(0.001, 10), st.floats(0.001, 100))
def test_pauses_double_up_to_the_longest_and_are_spread(
    attempt: int, first_s: float, longest_s: float
) -> None:
    whole = min(first_s * 2.0 ** min(attempt - 1, 60), longest_s)
    pause_s = Backoff(first_s, longest_s).pause_s(attempt)
    assert whole / 2 <= pause_s <= whole


def test_two_clients_do_not_come_back_in_the_same_moment() -> None:
    backoff = Backoff()
    assert len({backoff.pause_s(1) for _ in range(20)}) > 1
