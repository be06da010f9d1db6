"""Times and sizes as people type them."""

import pytest

from app.amounts import NotAnAmount, bytes_of, seconds_of


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90s", 90), ("30m", 1_800), ("12h", 43_200), ("7d", 604_800), (" 1.5 H ", 5_400)],
)
def test_a_time_has_a_unit(text: str, seconds: float) -> None:
    assert seconds_of(text) == seconds


@pytest.mark.parametrize(
    ("text", "size"),
    [("500", 500), ("1b", 1), ("10GB", 10**10), ("1.5mb", 1_500_000), ("2 GiB", 2**31)],
)
def test_a_size_is_in_bytes_where_it_has_no_unit(text: str, size: int) -> None:
    assert bytes_of(text) == size


@pytest.mark.parametrize("text", ["", "7", "d", "-1d", "1e3s", "nan", "7w", "٧d", "1" * 13 + "s"])
def test_anything_else_is_no_time(text: str) -> None:
    with pytest.raises(NotAnAmount):
        seconds_of(text)


@pytest.mark.parametrize("text", ["", "GB", "-1", "1e3", "inf", "10PB", "1 0"])
def test_anything_else_is_no_size(text: str) -> None:
    with pytest.raises(NotAnAmount):
        bytes_of(text)
