"""Break everything for a while: `python -m tests.faults [--seed N] [--seconds N] [--kills N]`.

Rounds of traffic with faults, each on a new broker, until the time is over. The seed of a
round is printed before it, and with it the same round comes again. With `--kills` there is
nothing but `kill -9`, so many times; with `--cluster postgres` each round is on three brokers
that share a store. What was promised and did not hold is printed, the
broker's log is kept, and the exit code is 1.
"""

import argparse
import asyncio
import logging
import random
import resource
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path

from tests.faults.cluster import STORES, cluster_round
from tests.faults.plan import plan, plan_kills
from tests.faults.round import Round, counted, round_of

FLOOD = 10_000  # connections
KILLS_A_ROUND = 50  # a history has to fit into memory


def main() -> None:
    options = argparse.ArgumentParser(prog="tests.faults", description=__doc__)
    options.add_argument("--seed", type=int, default=random.SystemRandom().randrange(2**32))
    options.add_argument("--seconds", type=float, default=300.0)
    options.add_argument("--kills", type=int, default=0)
    options.add_argument("--cluster", choices=[*STORES])
    wanted = options.parse_args()
    # A PostgreSQL that is killed on purpose is no news; the broker's own log is kept.
    logging.getLogger("pubsub").addHandler(logging.NullHandler())
    done: Counter[str] = Counter()
    began, number, longest_s = time.monotonic(), wanted.seed, 0.0
    while True:
        left = wanted.kills - done.total()
        if wanted.cluster:
            round_ = partial(cluster_round, number, STORES[wanted.cluster])
        elif wanted.kills:
            round_ = partial(round_of, plan_kills(number, min(left, KILLS_A_ROUND)), crowd=_room())
        else:
            round_ = partial(round_of, plan(number), crowd=_room())
        longest_s = max(longest_s, run(number, round_, done))
        number += 1
        over = time.monotonic() - began >= wanted.seconds
        if (done.total() >= wanted.kills) if wanted.kills else over:
            break
    for fault, count in done.most_common():
        print(f"{count:6} x {fault}")
    print(
        f"{done.total()} faults in {time.monotonic() - began:.0f} s, every promise kept;"
        f" the longest until a message was stored and delivered again: {longest_s:.1f} s"
    )


def run(seed: int, make: Callable[..., Round], done: Counter[str]) -> float:
    """Run a round, and return how long the service was away at most; exit where a promise broke."""
    folder = Path(tempfile.mkdtemp(prefix="pubsub-faults-"))
    folder.chmod(0o755)  # PostgreSQL may have to run as somebody else
    one = make(folder=folder, progress=lambda text: print(f"  {text}", flush=True))
    print(f"seed {seed}: {len(one.plan.steps)} faults, {one.plan.place}", flush=True)
    violations = asyncio.run(one.run())
    print(f"  {counted(one.history)}", flush=True)
    if violations:
        for violation in violations[:20]:
            print(violation, file=sys.stderr)
        print(
            f"seed {seed} broke {len(violations)} promises; {folder} is kept",
            file=sys.stderr,
        )
        sys.exit(1)
    shutil.rmtree(folder)
    done.update(step.fault for step in one.plan.steps)
    return one.longest_s


def _room() -> int:
    """Return how many connections a flood may have: each is an open file."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return min(FLOOD, hard - 1_000)


if __name__ == "__main__":
    main()
