"""Three brokers on one store, with clients of both versions on all: every promise is kept."""

from pathlib import Path

import pytest

from tests.faults.cluster import BROKER_FAULTS, OnePostgres, cluster_round

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]


async def test_three_brokers_on_one_postgresql_keep_every_promise(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tmp_path.chmod(0o755)
    faults = [*BROKER_FAULTS, "kill -9 of PostgreSQL", "kill -9 of a broker"]
    one = cluster_round(11, OnePostgres, tmp_path, print, faults=faults)
    violations = await one.run()
    with capsys.disabled():
        print(capsys.readouterr().out)
    assert [*map(str, violations)] == []
