"""Three brokers on one store, with clients of both versions on all: every promise is kept."""

from pathlib import Path

import pytest

from tests.faults.cluster import BROKER_FAULTS, OnePostgres, SharedStore, ThreeNats, cluster_round
from tests.nats import needs_nats

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]


async def keep_every_promise(
    store: type[SharedStore], folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Do each fault once; what it took is printed, as it is what an operator asks for."""
    folder.chmod(0o755)  # PostgreSQL may have to run as somebody else
    faults = [*BROKER_FAULTS, *store(folder).faults]
    one = cluster_round(11, store, folder, print, faults=faults)
    violations = await one.run()
    with capsys.disabled():
        print(capsys.readouterr().out)
    assert [*map(str, violations)] == []


async def test_three_brokers_on_one_postgresql_keep_every_promise(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    await keep_every_promise(OnePostgres, tmp_path, capsys)


@needs_nats
async def test_three_brokers_on_three_nats_servers_keep_every_promise(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    await keep_every_promise(ThreeNats, tmp_path, capsys)
