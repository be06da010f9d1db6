"""The tutorial's command lines, typed as they stand."""

import re
import shlex
from pathlib import Path

from tests.process import PUBSUB, ROOT, run, running_broker

TUTORIAL = (ROOT / "docs" / "tutorial.md").read_text("utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", TUTORIAL, re.MULTILINE | re.DOTALL)


async def test_the_lines_bring_what_the_tutorial_shows(data_dir: Path) -> None:
    pubsub = f'pubsub() {{ {shlex.join(PUBSUB)} "$@"; }}\n'
    shown = blocks("text")
    assert len(blocks("sh")) == len(shown) == 2
    async with running_broker("--data-dir", data_dir) as broker:
        for command, answer in zip(blocks("sh"), shown, strict=True):
            env = {"PUBSUB_CONNECT": broker.connect}
            ended = await run(command=["bash", "-c", pubsub + command], env=env)
            assert (ended.code, ended.out.decode()) == (0, answer)
