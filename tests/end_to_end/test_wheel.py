"""What is installed from a built wheel works as the checkout does."""

import sys
import zipfile
from pathlib import Path

from tests.process import ROOT, run, start_broker
from tests.wire import Wire

PIP = [sys.executable, "-W", "ignore", "-m", "pip", "--quiet", "--disable-pip-version-check"]


async def test_a_broker_runs_from_the_built_wheel(tmp_path: Path, data_dir: Path) -> None:
    built = await run(
        *["wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", str(tmp_path), str(ROOT)],
        command=PIP,
        env={"PYTHONWARNINGS": "default"},
    )
    assert built.code == 0, built.err
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        files = {*archive.namelist()}
    rooms = {name.split("/")[0] for name in files}
    assert {"app/styles/demo.tcss", "app/web/templates/app_index.html"} <= files
    assert {"app", "bench", "broker", "clients", "protocol"} <= rooms
    assert not {"tests", "docs"} & rooms

    site = tmp_path / "site"
    installed = await run(
        *["install", "--no-deps", "--no-index", "--target", str(site), str(wheel)],
        command=PIP,
        env={"PYTHONWARNINGS": "default"},
    )
    assert installed.code == 0, installed.err
    command = [sys.executable, "-P", str(site / "bin" / "pubsub")]
    env = {"PYTHONPATH": str(site)}
    broker = await start_broker(
        *["--port", "0", "--data-dir", str(data_dir)], env=env, cwd=tmp_path, command=command
    )
    wire = await Wire.open(broker.port)
    answer = await wire.ask("create", user_email="a@b.c", user_type="publisher")
    assert answer == {"action": "success", "code": 0}
    await wire.close()
    assert (await broker.stop()).code == 0
