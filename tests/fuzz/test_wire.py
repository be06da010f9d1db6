"""Anything on the wire: accepted or refused as documented, and nobody else's harm."""

import asyncio
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.fuzz.harness import Harness
from tests.fuzz.streams import corpus, streams

Run = tuple[asyncio.Runner, Harness]


@pytest.fixture(scope="module")
def run() -> Iterator[Run]:
    with asyncio.Runner() as runner:
        harness = Harness()
        runner.run(harness.__aenter__())
        yield runner, harness
        runner.run(harness.__aexit__(None, None, None))


@pytest.mark.parametrize("stream", corpus())
def test_what_is_kept_is_answered_as_documented(run: Run, stream: bytes) -> None:
    runner, harness = run
    runner.run(harness.check([stream]))
    runner.run(harness.check([stream], cut=True))


@settings(
    max_examples=150,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(pieces=streams(), cut=st.booleans())
def test_whatever_is_sent_is_answered_as_documented_and_harms_nobody(
    run: Run, pieces: list[bytes], cut: bool
) -> None:
    runner, harness = run
    runner.run(harness.check(pieces, cut=cut))
