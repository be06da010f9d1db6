"""Several brokers are measured by the command that docs/benchmarks.md names."""

import sys

import pytest

from tests.process import run

SCALING = [sys.executable, "-m", "bench.scaling"]


@pytest.mark.slow
@pytest.mark.parametrize("setup", ["2 brokers, one PostgreSQL", "2 workers"])
async def test_a_set_up_is_measured_with_every_work(setup: str) -> None:
    ended = await run("--only", setup, "--rounds", "1", "--messages", "50", command=SCALING)
    assert ended.code == 0, ended.err
    heads, row = ended.out.decode().splitlines()
    for work in ("publish", "ingest", "fanout", "p50"):
        assert work in heads
    assert row.startswith(setup)
    assert "WRONG" not in ended.err
