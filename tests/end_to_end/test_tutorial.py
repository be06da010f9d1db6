"""The tutorial's command lines, typed as they stand."""

import shlex
from pathlib import Path

from tests.pages import blocks
from tests.process import PUBSUB, ROOT, run, running_broker

TUTORIAL = (ROOT / "docs" / "tutorial.md").read_text("utf-8")


async def test_the_lines_bring_what_the_tutorial_shows(data_dir: Path) -> None:
    pubsub = f'pubsub() {{ {shlex.join(PUBSUB)} "$@"; }}\n'
    shown = blocks(TUTORIAL, "text")
    assert len(blocks(TUTORIAL, "sh")) == len(shown) == 2
    async with running_broker("--data-dir", data_dir) as broker:
        for command, answer in zip(blocks(TUTORIAL, "sh"), shown, strict=True):
            env = {"PUBSUB_CONNECT": broker.connect}
            ended = await run(command=["bash", "-c", pubsub + command], env=env)
            assert (ended.code, ended.out.decode()) == (0, answer)
