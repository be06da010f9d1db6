"""Each fault by its name, with clients at work: they go on, and every promise is kept."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.faults.breaking import ANYWHERE, FAULTS, ON_A_SERVER
from tests.faults.plan import Plan, Step, plan, plan_kills
from tests.faults.round import Round, round_of

# The first of a process makes a data directory.
pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]

HOLD_S = 0.3
CROWD = 300


@asynccontextmanager
async def at_work(folder: Path, *, embedded: bool, many: bool = False) -> AsyncIterator[Round]:
    """Clients of both versions at work on a broker; in the end every promise was kept."""
    chosen = Plan(0, embedded, 2, (1, 1), (1, 1), 1, ())
    chosen = chosen.with_many_topics() if many else chosen
    folder.chmod(0o755)
    one = round_of(chosen, folder, lambda _: None, hold_s=HOLD_S, crowd=CROWD)
    async with one.going_on():
        yield one
    assert one.violations == []


@pytest.fixture(scope="module", params=["few topics", "many topics"])
async def with_its_own(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Round]:
    """A broker with PostgreSQL as its child."""
    many = request.param == "many topics"
    async with at_work(tmp_path_factory.mktemp("child"), embedded=True, many=many) as one:
        yield one


@pytest.mark.parametrize("fault", ANYWHERE)
async def test_work_goes_on_after_a_fault(with_its_own: Round, fault: str) -> None:
    await with_its_own.do(Step(fault, 0, seed=17))


async def test_work_goes_on_after_each_fault_on_the_way_to_a_server(tmp_path: Path) -> None:
    async with at_work(tmp_path, embedded=False) as one:
        for fault in ON_A_SERVER:
            await one.do(Step(fault, 0, seed=17))


def test_a_seed_means_the_same_round_each_time() -> None:
    assert plan(7) == plan(7) != plan(8)
    assert plan_kills(7, 20) == plan_kills(7, 20)
    assert all(step.fault.startswith("kill ") for step in plan_kills(7, 20).steps)
    assert {step.fault for number in range(99) for step in plan(number).steps} == {*FAULTS}
