"""What the dialogs of the broker's screen look like, and its log, at each size."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from app.dashboard.app import DashboardApp
from app.dashboard.log import LogKeeper
from app.dashboard.server import Phase
from broker import StoreUnusable
from broker.snapshot import CursorFigures, SessionDetail, TopicDetail
from tests.app.dashboard.conftest import ToldServer, sessions, topics
from tests.app.frames import SIZES, Looks, until

pytestmark = [pytest.mark.slow, pytest.mark.parametrize("size", SIZES, ids=str)]

CURSORS = (
    CursorFigures("ada@example.com", "topic 2", 150, 180, 200),
    CursorFigures("somebody.with.a.long.name@example.com", "a topic with a long name", 9, 9, 10**6),
)
SLOW = replace(sessions()[1], slow=True, queued_bytes=812_000, received_bytes=4_100, behind=50)


async def test_each_dialog_at_each_size(
    told: ToldServer,
    dashboard: Callable[..., DashboardApp],
    looks: Looks,
    monkeypatch: pytest.MonkeyPatch,
    size: tuple[int, int],
) -> None:
    answers: dict[str, object] = {"detail": TopicDetail(topics()[2], CURSORS)}

    async def answer(_: object) -> object:
        return answers["detail"]

    monkeypatch.setattr(told, "ask", answer)
    keeper = LogKeeper()
    keeper.keep("12:10:40 INFO    ada@example.com has left")
    keeper.keep("12:10:41 WARNING eve@example.com reads slowly: 812.0 kB queued")
    async with dashboard(told, keeper).run_test(size=size) as pilot:
        await until(pilot, "topic 2")
        await pilot.press("enter")
        await looks(pilot, "topic")
        answers["detail"] = SessionDetail(
            SLOW, "127.0.0.1:5", 2, "there is no topic 'none'", CURSORS
        )
        await pilot.press("escape", "2")
        await until(pilot, "user2@exam")
        await pilot.press("enter")
        await looks(pilot, "session")
        await pilot.press("d")
        await looks(pilot, "disconnect")
        await pilot.press("escape")
        answers["detail"] = None
        await looks(pilot, "session that has ended")
        await pilot.press("escape", "3")
        await looks(pilot, "log")
        await pilot.press("slash", *"warn")
        await looks(pilot, "filter of the log")
        told.error = StoreUnusable(
            "There is no room on the disk of data. Free some, and start again."
        )
        told.phase = Phase.ENDED
        await looks(pilot, "trouble")
