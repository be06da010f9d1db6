"""The parts of the subscriber's screen that need no screen."""

import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest
from rich.cells import cell_len

from app.feed import MessageRow
from app.screens import clipboard
from app.screens.symbols import ASCII, Symbols
from app.screens.topic_list import TopicRow
from app.subscriber.drawing import bars, topic_line
from app.subscriber.export import write_records
from app.subscriber.rates import Rates
from app.subscriber.topics import Topics
from clients.values import TopicState

ROW = MessageRow("a", 1, "bob@example.com", datetime(2024, 5, 17, tzinfo=UTC), "text \ud7ff")


def state(name: str, head: int, *, subscribed: bool = True) -> TopicState:
    return TopicState(name, head, datetime(2024, 5, 17, tzinfo=UTC), None, 1, subscribed, 0, 0)


# topics


def test_unread_is_what_came_and_was_not_read() -> None:
    topics = Topics(muted=["b", "elsewhere"])
    topics.learn([state("b", 5), state("a", 3), state("c", 9, subscribed=False)])
    assert [topic.name for topic in topics] == ["a", "b", "c"]
    topics.came("a", 4)
    topics.came("a", 2)  # late news of an older head
    topics.read("a", 1)
    assert (topics["a"].unread, topics["b"].unread, topics["c"].unread) == (3, 5, 0)
    assert topics.unread == 3  # b is muted
    assert not topics.mute("b")
    assert topics.unread == 8
    assert topics.muted == ["elsewhere"]
    topics.restart("a", 0)
    assert topics["a"].unread == 0


def test_what_a_person_wants_is_shown_until_the_broker_has_answered() -> None:
    topics = Topics()
    topics.learn([state("a", 3, subscribed=False)])
    topics["a"].wanted = True
    topics.learn([state("a", 3, subscribed=False)])
    assert topics["a"].shown_subscribed
    assert topics.subscribed == 1


# rates


def test_rates_are_by_second_however_long_a_tick_took() -> None:
    rates = Rates()
    rates.count("a", 30)
    rates.count("b", 10)
    rates.tick(2.0)
    assert (rates.now, rates.peak, rates.highest) == (20, 20, 15)
    assert rates.moment("a") == [0, 0, 15]
    for _ in range(3):
        rates.tick(1.0)
    assert (rates.now, rates.peak, rates.highest) == (0, 20, 0)
    assert rates.moment("a") == rates.moment("never") == [0, 0, 0]


# drawing


@pytest.mark.parametrize("name", ["orders", "a" * 60, "漢字" * 20, "[/x]", "e\u0301" * 30])
@pytest.mark.parametrize("width", [16, 22, 30])
@pytest.mark.parametrize("symbols", [Symbols(), ASCII])
def test_a_topic_takes_exactly_its_cells(name: str, width: int, symbols: Symbols) -> None:
    for row in (TopicRow(name, True, 5), TopicRow(name, True, 1000, spark="..."), TopicRow(name)):
        assert cell_len(topic_line(row, width, symbols).plain) == width


def test_bars_tell_nothing_from_little_and_end_at_the_top() -> None:
    assert bars([0, 1, 500, 1000, 2000], 1000, Symbols()) == "▁▂▅██"
    assert bars([0, 0], 0, Symbols()) == "▁▁"
    assert bars([0, 1], 1, ASCII) == "_@"


# export


def test_a_file_is_replaced_only_when_that_is_asked_for(tmp_path: Path) -> None:
    file = tmp_path / "out.jsonl"
    write_records(file, [ROW, ROW], replace=False)
    before = file.read_bytes()
    assert before.count(b"\n") == 2
    with pytest.raises(FileExistsError):
        write_records(file, [ROW], replace=False)
    assert file.read_bytes() == before
    file.chmod(0o640)
    write_records(file, [ROW], replace=True)
    assert file.read_bytes().count(b"\n") == 1
    assert file.stat().st_mode & 0o777 == 0o640
    assert [*tmp_path.iterdir()] == [file]


def test_a_failed_replacement_leaves_what_was_there(tmp_path: Path) -> None:
    file = tmp_path / "out.jsonl"
    file.write_text("precious")
    unwritable = ROW._replace(text="\ud800")  # no UTF-8 can say it
    with pytest.raises(UnicodeEncodeError):
        write_records(file, [ROW, unwritable], replace=True)
    assert file.read_text() == "precious"
    assert [*tmp_path.iterdir()] == [file]


# the clipboard


def test_a_tool_needs_a_desktop_of_this_computer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.which", lambda name: f"/bin/{name}")
    assert clipboard.tool({}, "linux") is None
    assert clipboard.tool({"WAYLAND_DISPLAY": "x", "DISPLAY": "y"}, "linux") == (
        *("wl-copy", "--type", "text/plain;charset=utf-8"),
    )
    assert clipboard.tool({"DISPLAY": "y"}, "linux") == ("xclip", "-selection", "clipboard")
    assert clipboard.tool({}, "darwin") == ("pbcopy",)
    assert clipboard.tool({"SSH_CONNECTION": "there"}, "darwin") is None


async def test_a_tool_is_given_the_text_and_asked_whether_it_worked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "clipboard"
    take = f"import sys; open({str(file)!r}, 'wb').write(sys.stdin.buffer.read())"
    assert await clipboard._given_to((sys.executable, "-c", take), b"text")
    assert file.read_bytes() == b"text"
    assert not await clipboard._given_to((sys.executable, "-c", "raise SystemExit(1)"), b"")
    assert not await clipboard._given_to((str(tmp_path / "missing"),), b"")
    monkeypatch.setattr(clipboard, "LIMIT_S", 0.01)
    assert not await clipboard._given_to((sys.executable, "-c", "input()\nwhile 1: 0"), b"\n")
