"""Fuzz the wire for a while: `python -m tests.fuzz [--seconds N] [--seed N]`.

Rounds of many streams, each on a broker of its own, until the time is over. The seed of a
round is printed before it: with it the same streams come again. What is found is made as
small as it goes, shown, and kept in `corpus`.
"""

import argparse
import asyncio
import random
import sys
import time

from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st

from tests.fuzz.harness import Harness
from tests.fuzz.streams import CORPUS, streams

EXAMPLES = 500


def main() -> None:
    options = argparse.ArgumentParser(prog="tests.fuzz", description=__doc__)
    options.add_argument("--seconds", type=float, default=300.0)
    options.add_argument("--seed", type=int, default=random.SystemRandom().randrange(2**32))
    wanted = options.parse_args()
    end, number = time.monotonic() + wanted.seconds, wanted.seed
    while True:
        print(f"seed {number}: {EXAMPLES} streams", flush=True)
        fuzz(number)
        number += 1
        if time.monotonic() >= end:
            return


def fuzz(number: int) -> None:
    """Send the streams of one seed; exit where one is not answered as documented."""
    newest: list[bytes] = []

    @seed(number)
    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        database=None,
        suppress_health_check=[*HealthCheck],
    )
    @given(pieces=streams(), cut=st.booleans())
    def send(pieces: list[bytes], cut: bool) -> None:
        newest[:] = pieces
        runner.run(harness.check(pieces, cut=cut))

    with asyncio.Runner() as runner:
        harness = Harness()
        runner.run(harness.__aenter__())
        try:
            send()
        except BaseException:
            # Hypothesis runs the smallest one last.
            (CORPUS / f"found-{number}.lines").write_bytes(b"".join(newest))
            print(f"seed {number} found something; it is kept in {CORPUS}", file=sys.stderr)
            raise
        finally:
            runner.run(harness.__aexit__(None, None, None))


if __name__ == "__main__":
    main()
