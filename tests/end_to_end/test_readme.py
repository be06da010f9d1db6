"""The README's tour, typed as it stands."""

import shutil
from pathlib import Path

import pytest

from tests.pages import blocks
from tests.process import ROOT, run, running_broker

README = (ROOT / "README.md").read_text("utf-8")


@pytest.mark.skipif(not shutil.which("nc"), reason="nc is not on this machine")
async def test_the_tour_with_nc_brings_what_it_shows(data_dir: Path) -> None:
    typed = [block for block in blocks(README, "sh") if block.startswith("nc ")]
    shown = blocks(README, "json")
    assert len(typed) == len(shown) == 4
    async with running_broker("--data-dir", data_dir) as broker:
        for command, answer in zip(typed, shown, strict=True):
            here = command.replace("127.0.0.1 3000", f"127.0.0.1 {broker.port}")
            assert here != command
            ended = await run(command=["bash", "-c", here])
            assert (ended.code, ended.out.decode()) == (0, answer)


def test_the_readme_names_every_command() -> None:
    from app.main import app

    for command in app.registered_commands:
        assert command.callback is not None
        assert f"`pubsub {command.callback.__name__}" in README
