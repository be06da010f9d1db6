"""`docs/operations.md` and `deploy/`: complete, true, and its commands work as they stand."""

import asyncio
import configparser
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import typer
from typer.main import get_command

from app.main import app
from app.monitoring.metrics import metrics
from broker import Broker, Settings
from broker.events import Event
from broker.store.embedded.host import find_binaries
from tests.doubles.memory_store import MemoryStore
from tests.pages import blocks
from tests.process import ROOT, environment, free_port, start_broker
from tests.wire import Wire

PAGE = (ROOT / "docs" / "operations.md").read_text("utf-8")
UNIT = ROOT / "deploy" / "pubsub.service"
CONTAINER = ROOT / "deploy" / "Containerfile"


def rows(heading: str) -> list[list[str]]:
    """Return the cells of the first table under `heading`, without its head."""
    section = PAGE.partition(f"{heading}\n")[2]
    assert section, heading
    table = re.search(r"^\|.*?(?=^[^|])", section + "\n.", re.MULTILINE | re.DOTALL)
    assert table is not None
    lines = [line.strip("| ") for line in table[0].splitlines()[2:]]
    return [[cell.strip(" `") for cell in re.split(r"(?<!\\)\|", line)] for line in lines]


def command(name: str) -> str:
    """Return the shell commands that the page calls `name`."""
    (found,) = blocks(PAGE, f"sh {name}")
    return found


def broker_options() -> dict[str, object]:
    """Return the options of `pubsub broker` with their defaults."""
    group = get_command(app)
    assert isinstance(group, typer.core.TyperGroup)
    parameters = group.commands["broker"].params
    return {one.opts[0]: one.default for one in parameters if one.opts[0] != "--help"}


# what the page says


def test_every_option_is_there_with_its_default() -> None:
    options = broker_options()
    told = {option: default for option, default, _ in rows("## Every option of `pubsub broker`")}
    assert [*told] == [*options]
    for option, default in options.items():
        if default is False:
            assert told[option] == "no"
        elif default is not None:
            assert told[option] == f"{default:g}" if isinstance(default, float) else str(default)


async def test_every_metric_is_there_with_its_type() -> None:
    async with Broker(Settings(store_url="memory", port=0), MemoryStore()) as broker:
        served = {one.name: str(one.kind) for one in metrics(broker.snapshot())}
    assert {name: kind for name, kind, _ in rows("### Every metric")} == served


def test_every_event_of_the_log_is_there() -> None:
    assert [event for event, *_ in rows("## The log")] == [event.value for event in Event]


def test_what_an_alert_is_about_is_a_metric() -> None:
    alerts = " ".join(
        expression for expression, _ in rows("For Prometheus, and what to be woken for:")
    )
    metrics_told = {name for name, *_ in rows("### Every metric")}
    assert {*re.findall(r"pubsub_\w+", alerts)} <= metrics_told


# deploy/


def unit() -> configparser.SectionProxy:
    parser = configparser.ConfigParser(strict=False, interpolation=None)
    parser.optionxform = str  # type: ignore[assignment,method-assign]  # names keep their case
    parser.read_string(UNIT.read_text("utf-8"))
    return parser["Service"]


def test_the_unit_starts_a_broker_with_options_there_are() -> None:
    program, name, *arguments = shlex.split(unit()["ExecStart"])
    assert (program, name) == ("/opt/pubsub/bin/pubsub", "broker")
    assert {one for one in arguments if one.startswith("--")} <= {*broker_options()}
    assert unit()["KillMode"] == "mixed"  # PostgreSQL outlives the broker by a moment


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="there is no systemd here")
def test_systemd_takes_the_unit(tmp_path: Path) -> None:
    text = UNIT.read_text("utf-8").replace("/opt/pubsub/bin/pubsub", "/bin/true")
    text = re.sub(r"^(User|Group|Documentation)=.*$", "", text, flags=re.MULTILINE)
    (tmp_path / UNIT.name).write_text(text)
    found = subprocess.run(
        ["systemd-analyze", "verify", tmp_path / UNIT.name],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (found.returncode, found.stderr) == (0, "")


def test_the_container_starts_a_broker_with_options_there_are() -> None:
    text = CONTAINER.read_text("utf-8").replace("\\\n", "")
    (entry,) = re.findall(r"^ENTRYPOINT (\[.*\])$", text, re.MULTILINE)
    *_, started = re.findall(r"^CMD (\[.*\])$", text, re.MULTILINE)
    name, *arguments = json.loads(started)
    assert (json.loads(entry), name) == (["pubsub"], "broker")
    assert {one for one in arguments if one.startswith("--")} <= {*broker_options()}
    assert "USER pubsub" in text


# TLS and passwords


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not installed")
async def test_a_broker_with_tls_and_passwords_is_set_up_as_the_page_says(
    tmp_path: Path, database: str
) -> None:
    port = str(free_port())
    settings = {"NAME": "localhost", "PUBSUB_STORE": database, "PUBSUB_PORT": port}
    await run_shell("certificate", settings, tmp_path)
    broker = await start_broker(
        *shlex.split(command("strict-broker"))[2:], cwd=tmp_path, env=settings
    )
    client = command("strict-client").replace(":3000", f":{port}")
    refused = await shell(client, {"NAME": "localhost"}, tmp_path)
    assert refused[0] == 1
    assert "PUBSUB_PASSWORD" in refused[1]
    secret = {"NAME": "localhost", "PUBSUB_PASSWORD": "correct horse"}
    assert await shell(client, secret, tmp_path) == (0, "")
    assert (await broker.stop()).code == 0


# backup and restore


@asynccontextmanager
async def serving(**where: object) -> AsyncIterator[Broker]:
    async with Broker(Settings(port=0, **where)) as broker:  # type: ignore[arg-type]  # one of two
        yield broker


async def publish(broker: Broker, *messages: str) -> None:
    wire = await Wire.open(broker.port)
    for action in ("create", "connect"):
        await wire.ask(action, user_email="p@b.c", user_type="publisher")
    await wire.ask("create_topic", topic_name="T")
    for message in messages:
        assert (await wire.ask("publish_msg", topic_name="T", msg=message))["action"] == "success"
    await wire.close()


async def subscribe(broker: Broker) -> None:
    wire = await Wire.open(broker.port)
    await wire.ask("create", user_email="s@b.c", user_type="subscriber")
    await wire.ask("subscribe", topic_name="T")
    await wire.close()


async def unread(broker: Broker) -> list[str]:
    wire = await Wire.open(broker.port)
    wire.send("connect", user_email="s@b.c")
    lines = await wire.read_until_closed()
    await wire.close()
    return [line["message"] for line in lines[1:]]


async def filled(broker: Broker) -> None:
    await publish(broker, "before")
    await subscribe(broker)
    await publish(broker, "one", "two")


async def run_shell(
    name: str, variables: Mapping[str, Path | str], folder: Path | None = None
) -> None:
    """Type the commands that the page calls `name`."""
    code, told = await shell(command(name), variables, folder)
    assert code == 0, told


async def shell(
    commands: str, variables: Mapping[str, Path | str], folder: Path | None = None
) -> tuple[int | None, str]:
    """Type commands in `folder`, and return the exit code and what they told."""
    ours = [str(find_binaries().folder), str(Path(sys.executable).parent), os.environ["PATH"]]
    path = os.pathsep.join(ours)
    process = await asyncio.create_subprocess_exec(
        *["bash", "-euo", "pipefail", "-c", commands],
        env=environment({"PATH": path, "LC_ALL": "C"} | {k: str(v) for k, v in variables.items()}),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        cwd=folder,
    )
    told, _ = await process.communicate()
    return process.returncode, told.decode()


@pytest.fixture(scope="module")
async def backups(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with each kind of backup of one broker, which went on meanwhile."""
    folder = tmp_path_factory.mktemp("backups")
    data_dir = folder / "broker data"
    async with serving(data_dir=data_dir) as broker:
        await filled(broker)
        await run_shell("hot", {"DATA": data_dir, "BACKUP": folder / "the copy"})
        await run_shell("dump", {"DATA": data_dir, "BACKUP": folder / "the dump"})
        await publish(broker, "after the backup")
    await run_shell("cold", {"DATA": data_dir, "NEW": folder / "the cold copy"})
    return folder


async def check_it_goes_on(broker: Broker, *expected: str) -> None:
    assert await unread(broker) == [*expected]
    await publish(broker, "a new one")
    assert await unread(broker) == ["a new one"]


async def test_a_copy_of_a_serving_broker_is_restored_into_a_data_directory(
    backups: Path, data_dir: Path
) -> None:
    await run_shell("hot-restore", {"BACKUP": backups / "the copy", "NEW": data_dir})
    async with serving(data_dir=data_dir) as broker:
        await check_it_goes_on(broker, "one", "two")


async def test_a_dump_of_a_serving_broker_is_restored_into_a_database(
    backups: Path, empty_database: str
) -> None:
    await run_shell("dump-restore", {"BACKUP": backups / "the dump", "STORE": empty_database})
    async with serving(store_url=empty_database) as broker:
        await check_it_goes_on(broker, "one", "two")


async def test_a_copy_of_the_data_directory_of_a_stopped_broker_is_a_backup(backups: Path) -> None:
    async with serving(data_dir=backups / "the cold copy") as broker:
        await check_it_goes_on(broker, "one", "two", "after the backup")


async def test_a_data_directory_is_moved_to_a_server(data_dir: Path, empty_database: str) -> None:
    async with serving(data_dir=data_dir) as broker:
        await filled(broker)
    await run_shell("move", {"DATA": data_dir, "STORE": empty_database})
    async with serving(store_url=empty_database) as broker:
        await check_it_goes_on(broker, "one", "two")


async def test_a_backup_is_moved_while_a_broker_serves_and_the_rest_once_it_is_stopped(
    backups: Path, data_dir: Path, empty_database: str
) -> None:
    await run_shell("hot-restore", {"BACKUP": backups / "the copy", "NEW": data_dir})
    await run_shell("move", {"DATA": data_dir, "STORE": empty_database})
    await run_shell("move", {"DATA": backups / "broker data", "STORE": empty_database})
    async with serving(store_url=empty_database) as broker:
        await check_it_goes_on(broker, "one", "two", "after the backup")
