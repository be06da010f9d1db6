"""The faults, by name: each breaks something of a world and puts it where it can come back."""

import asyncio
import random
import signal
from collections.abc import Awaitable, Callable

from tests.faults.crowds import crowd_back, flood
from tests.faults.postgres_proxy import PostgresProxy
from tests.faults.world import World
from tests.patience import until

Break = Callable[[World, random.Random], Awaitable[None]]


async def _broker_killed(world: World, rng: random.Random) -> None:
    await world.kill_broker()
    await world.start_broker()


async def _broker_stopped(world: World, rng: random.Random) -> None:
    await world.stop()
    await world.start_broker()


async def _broker_killed_while_starting(world: World, rng: random.Random) -> None:
    await world.kill_broker()
    await world.launch_broker()
    await asyncio.sleep(rng.uniform(0, 1))
    await _broker_killed(world, rng)


async def _broker_stopped_while_starting(world: World, rng: random.Random) -> None:
    await world.kill_broker()
    await world.launch_broker()
    await asyncio.sleep(rng.uniform(0, 1))
    world.send(signal.SIGTERM, [world.broker])
    await world.kill_broker()
    await world.start_broker()


async def _postmaster_killed(world: World, rng: random.Random) -> None:
    world.send(signal.SIGKILL, [await world.postmaster()])


async def _backend_killed(world: World, rng: random.Random) -> None:
    world.send(signal.SIGKILL, _one(world.backends(), rng))


async def _backend_terminated(world: World, rng: random.Random) -> None:
    world.send(signal.SIGTERM, _one(world.backends(), rng))


async def _everything_killed(world: World, rng: random.Random) -> None:
    world.send(signal.SIGKILL, [world.broker, *world.postgres_processes()])
    await _broker_killed(world, rng)


async def _postgres_killed_while_recovering(world: World, rng: random.Random) -> None:
    first = await world.postmaster()
    world.send(signal.SIGKILL, [first])
    await until(lambda: any(pid != first for pid in world.postgres_processes()))
    await asyncio.sleep(rng.uniform(0, 0.1))
    world.send(signal.SIGKILL, [*world.postgres_processes()])


async def _everything_killed_while_recovering(world: World, rng: random.Random) -> None:
    world.send(signal.SIGKILL, [world.broker, *world.postgres_processes()])
    await world.kill_broker()
    await world.launch_broker()
    await asyncio.sleep(rng.uniform(0, 1))
    await _everything_killed(world, rng)


async def _broker_frozen(world: World, rng: random.Random) -> None:
    await _frozen(world, [world.broker], rng)


async def _postmaster_frozen(world: World, rng: random.Random) -> None:
    await _frozen(world, [await world.postmaster()], rng)


async def _backend_frozen(world: World, rng: random.Random) -> None:
    await _frozen(world, _one(world.backends(), rng), rng)


async def _postgres_frozen(world: World, rng: random.Random) -> None:
    await _frozen(world, [*world.postgres_processes()], rng)


async def _frozen(world: World, pids: list[int], rng: random.Random) -> None:
    world.send(signal.SIGSTOP, pids)
    try:
        await _hold(world, rng)
    finally:
        world.send(signal.SIGCONT, pids)


async def _cables_cut(world: World, rng: random.Random) -> None:
    await world.clients.cut()


async def _cables_silent(world: World, rng: random.Random) -> None:
    world.clients.freeze()
    await _hold(world, rng)
    if rng.random() < 0.5:
        await world.clients.cut()  # without a FIN, and what was under way is gone
    world.clients.thaw()


async def _answer_lost(world: World, rng: random.Random) -> None:
    world.clients.lose_answer()


async def _flooded(world: World, rng: random.Random) -> None:
    async with flood(world.broker_port, world.crowd, rng):
        await _hold(world, rng)


async def _crowd_back(world: World, rng: random.Random) -> None:
    await crowd_back(world.broker_port, max(world.crowd // 10, 1))


async def _store_cable_cut(world: World, rng: random.Random) -> None:
    await _proxy(world).break_all()


async def _store_cable_silent(world: World, rng: random.Random) -> None:
    _proxy(world).freeze()
    await _hold(world, rng)
    if rng.random() < 0.5:
        await _proxy(world).break_all()
    _proxy(world).thaw()


async def _store_away(world: World, rng: random.Random) -> None:
    await _proxy(world).pull()
    await asyncio.sleep(rng.uniform(0, 2 * world.hold_s))  # publishes wait for 2 s
    _proxy(world).plug_in()


async def _commit_cut(world: World, rng: random.Random) -> None:
    share = rng.choice([0.0, 1.0, rng.random()])
    where = {"sent": share} if rng.random() < 0.5 else {"answered": share}
    cut = _proxy(world).cut(b'"T', **where)  # as every message begins
    await cut.done.wait()


def _one(pids: list[int], rng: random.Random) -> list[int]:
    return [rng.choice(pids)] if pids else []


async def _hold(world: World, rng: random.Random) -> None:
    await asyncio.sleep(rng.uniform(0, world.hold_s))


def _proxy(world: World) -> PostgresProxy:
    assert world.proxy is not None
    return world.proxy


KILLS: dict[str, Break] = {
    "kill the broker": _broker_killed,
    "kill the broker while it starts": _broker_killed_while_starting,
    "kill the postmaster": _postmaster_killed,
    "kill a backend": _backend_killed,
    "kill everything": _everything_killed,
    "kill PostgreSQL while it recovers": _postgres_killed_while_recovering,
    "kill everything while it recovers": _everything_killed_while_recovering,
}
ANYWHERE: dict[str, Break] = KILLS | {
    "stop the broker": _broker_stopped,
    "stop the broker while it starts": _broker_stopped_while_starting,
    "end a backend": _backend_terminated,
    "freeze the broker": _broker_frozen,
    "freeze the postmaster": _postmaster_frozen,
    "freeze a backend": _backend_frozen,
    "freeze PostgreSQL": _postgres_frozen,
    "cut the clients' cables": _cables_cut,
    "silence the clients' cables": _cables_silent,
    "lose an answer to a client": _answer_lost,
    "flood the broker with strangers": _flooded,
    "bring a crowd back at once": _crowd_back,
}
ON_A_SERVER: dict[str, Break] = {
    "cut the store's cable": _store_cable_cut,
    "silence the store's cable": _store_cable_silent,
    "take the store away": _store_away,
    "cut the store's cable in a commit": _commit_cut,
}
FAULTS = ANYWHERE | ON_A_SERVER
