"""`HOST:PORT`, several with commas between."""

import pytest

from clients.address import Address, BadAddress, addresses


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("localhost:4000", [Address("localhost", 4000)]),
        ("localhost", [Address("localhost", 3000)]),
        ("[::1]:4000", [Address("::1", 4000)]),
        ("[::1]", [Address("::1", 3000)]),
        ("a:1, b:2", [Address("a", 1), Address("b", 2)]),
    ],
)
def test_addresses_are_read(text: str, expected: list[Address]) -> None:
    assert addresses(text) == expected
    assert addresses(",".join(map(str, expected))) == expected


@pytest.mark.parametrize(
    "text",
    ["", ":1", "a:", "a:b", "a:0", "a:65536", "a:-1", "a,,b", "a:٣", "a:" + "9" * 5000, "[]:1"],
)
def test_what_is_no_address_says_what_one_looks_like(text: str) -> None:
    with pytest.raises(BadAddress, match="HOST:PORT"):
        addresses(text)


@pytest.mark.parametrize("text", ["::1", "fe80::1:3000", "[::1:3000", "::1]:3000"])
def test_ipv6_without_brackets_is_ambiguous(text: str) -> None:
    with pytest.raises(BadAddress, match="brackets"):
        addresses(text)
