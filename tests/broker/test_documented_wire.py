"""`docs/protocol.md`, typed into a real broker line by line."""

import json
import re
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import msgspec
import pytest

from broker import Settings
from broker.broker import CONNECTIONS_PER_ADDRESS
from protocol import names, requests
from protocol.incoming import BlockOfMessages
from protocol.reasons import Reason
from protocol.replies import (
    Error,
    Gap,
    HistoryPage,
    Published,
    ReceiptCount,
    SignedIn,
    SubscriptionList,
    SubscriptionState,
    TopicDeleted,
    Topics,
    TopicState,
)
from protocol.requests import ACTIONS, AnyRequest
from tests.wire import Wire

PAGE = (Path(__file__).parents[2] / "docs" / "protocol.md").read_text(encoding="utf-8")
VERSION_1, VERSION_2 = PAGE.split("\n## Version 2\n")

ANY = "..."
END = "(end)"
EXAMPLE = re.compile(r"^```wire (\S+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)

Open = Callable[[], Awaitable[Wire]]


@dataclass(frozen=True)
class Line:
    """One line of an example: what `connection` sends, or what it has to get."""

    connection: str
    sent: bool
    text: str


def examples(page: str) -> Iterator[Line]:
    for name, body in EXAMPLE.findall(page):
        for line in body.splitlines():
            assert line[:2] in ("> ", "< "), f"not a line of an example: {line}"
            yield Line(name, line.startswith(">"), line[2:])


def matches(found: object, expected: object) -> bool:
    """Whether `found` is `expected`, in which "..." is any value; keys must be the same."""
    if expected == ANY:
        return True
    if isinstance(expected, dict):
        return (
            isinstance(found, dict)
            and found.keys() == expected.keys()
            and all(matches(found[key], value) for key, value in expected.items())
        )
    if isinstance(expected, list):
        return (
            isinstance(found, list)
            and len(found) == len(expected)
            and all(map(matches, found, expected))
        )
    return type(found) is type(expected) and found == expected


async def test_every_line_of_the_page_does_what_the_page_says(connect: Open) -> None:
    wires: dict[str, Wire] = {}
    for line in examples(PAGE):
        if line.connection not in wires:
            wires[line.connection] = await connect()
        await (_send if line.sent else _expect)(wires[line.connection], line.text)
    for name, wire in wires.items():
        assert await wire.read_until_closed() == [], f"{name} got more than the page says"


async def _send(wire: Wire, text: str) -> None:
    if text == END:
        wire.writer.write_eof()
    else:
        wire.send_bytes(text.encode() + b"\n")


async def _expect(wire: Wire, text: str) -> None:
    found = (await wire.read_line()).decode()
    if text == END:
        assert found == ""
    else:
        assert found, f"the broker closed instead of: {text}"
        assert matches(json.loads(found), json.loads(text)), f"\nfound    {found}\nexpected {text}"


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        ({"code": 0, "id": 1}, {"code": 0}),
        ({"code": 0}, {"code": 0, "id": 1}),
        ({"code": 0}, {"code": False}),
        ({"blocks": [{"seq": 2}]}, {"blocks": [{"seq": 1}]}),
        (["a"], ["a", ANY]),
    ],
)
def test_a_reply_that_differs_from_the_page_is_noticed(found: object, expected: object) -> None:
    assert matches(found, found)
    assert not matches(found, expected)


def test_any_value_may_stand_where_the_page_has_three_dots() -> None:
    assert matches({"seq": 1, "at": "12:30"}, {"seq": 1, "at": ANY})


# nothing is left out


def sent_actions(page: str) -> set[str]:
    lines = [line.text for line in examples(page) if line.sent and line.text.startswith("{")]
    return {json.loads(line)["action"] for line in lines}


@dataclass(frozen=True)
class Table:
    """A table of the page under its nearest heading, as cells without marks."""

    heading: str
    titles: list[str]
    rows: list[list[str]]


def tables(page: str) -> Iterator[Table]:
    heading = ""
    for part in page.split("\n\n"):
        if part.startswith("#"):
            heading = part
        if part.startswith("| "):
            titles, _, *rows = [
                [cell.strip().replace("`", "") for cell in line[1:-1].split(" | ")]
                for line in part.strip().splitlines()
            ]
            yield Table(heading, titles, rows)


def documented_keys(page: str, action: str, *, answered: bool = False) -> set[str]:
    """Return the keys in the tables of the sections on `action`: of the request or the answer."""
    return {
        key
        for table in tables(page)
        if f"`{action}`" in table.heading and (table.titles[0] != "key") is answered
        for row in table.rows
        for key in row[0].split(", ")
    }


def request_of(action: str) -> type[AnyRequest]:
    kinds = cast(tuple[type[AnyRequest], ...], AnyRequest.__args__)
    return next(kind for kind in kinds if kind.__struct_config__.tag == action)


@pytest.mark.parametrize("action", ACTIONS)
def test_every_action_is_typed_on_the_page(action: str) -> None:
    version_2_only = request_of(action).version_needed == 2
    assert action in sent_actions(VERSION_2)
    assert (action in sent_actions(VERSION_1)) is not version_2_only


@pytest.mark.parametrize("action", ACTIONS)
def test_every_key_of_a_request_has_a_row(action: str) -> None:
    keys = set(request_of(action).__struct_encode_fields__)
    assert keys <= documented_keys(VERSION_2, action)


@pytest.mark.parametrize(
    ("kind", "section"),
    [
        (SignedIn, "connect"),
        (Published, "publish_msg"),
        (SubscriptionList, "subscriptions"),
        (SubscriptionState, "subscriptions"),
        (Topics, "list_topics"),
        (TopicState, "list_topics"),
        (ReceiptCount, "receipts"),
        (HistoryPage, "history"),
        (BlockOfMessages, "broadcast"),
        (Gap, "gap"),
        (TopicDeleted, "topic_deleted"),
    ],
)
def test_every_key_of_an_answer_has_a_row(kind: type[msgspec.Struct], section: str) -> None:
    keys = set(kind.__struct_encode_fields__)
    told_once_for_all = {"id"}
    lists_whose_own_keys_are_told = {"details", "topics", "subscriptions"}
    keys -= told_once_for_all | lists_whose_own_keys_are_told
    assert keys <= documented_keys(VERSION_2, section, answered=True)


def test_the_error_table_has_every_reason_and_no_other() -> None:
    keys, reasons = [table for table in tables(PAGE) if table.heading == "## Errors"]
    assert {row[0] for row in keys.rows} == set(Error.__struct_encode_fields__) - {"id"}
    assert [row[0] for row in reasons.rows] == [reason.value for reason in Reason]
    assert all(len(row) == 3 and all(row) for row in reasons.rows)


def test_the_limits_on_the_page_are_those_of_the_broker(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path)
    (table,) = (table for table in tables(PAGE) if table.heading == "## Limits")
    assert [row[1] for row in table.rows] == [
        f"{settings.message_bytes:,} bytes",
        f"{settings.line_bytes:,} bytes",
        f"{settings.connections:,}",
        f"{CONNECTIONS_PER_ADDRESS:,}; where the broker listens on loopback, all",
        f"{settings.sign_in_s:g} s",
        f"{settings.dead_peer_s} s",
        f"{settings.unfinished_bytes:,} bytes",
        f"{names.PASSWORD_LEAST} to {names.PASSWORD_LIMIT} characters",
        f"{names.EMAIL_LIMIT} characters",
        f"{names.TOPIC_NAME_LIMIT} characters",
        f"{names.PRODUCER_LIMIT} characters",
        f"{requests.ID_LIMIT} characters",
        f"{requests.HISTORY_LIMIT:,} messages",
    ]
