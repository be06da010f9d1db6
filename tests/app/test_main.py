"""The options of the `pubsub` command."""

import inspect
import subprocess
import sys

import pytest
from typer.models import OptionInfo

from app.main import app
from tests.process import ROOT


def options() -> list[tuple[str, OptionInfo]]:
    """Return the options of all commands, with the names of their parameters."""
    found = []
    for command in app.registered_commands:
        assert command.callback is not None
        for name, parameter in inspect.signature(command.callback).parameters.items():
            for about in getattr(parameter.annotation, "__metadata__", ()):
                if isinstance(about, OptionInfo):
                    found.append((name, about))
    return found


TYPED_EACH_TIME = ("delete", "yes")  # what is left in an environment must not delete anything


@pytest.mark.parametrize(("name", "option"), options())
def test_every_option_can_be_set_in_the_environment(name: str, option: OptionInfo) -> None:
    variable = f"PUBSUB_{name.rstrip('_').upper()}"
    assert option.envvar == (None if name in TYPED_EACH_TIME else variable)


@pytest.mark.parametrize(
    ("module", "unwanted"),
    [
        ("app.main", "textual"),
        ("app.commands.pub", "textual"),
        ("app.commands.sub", "textual"),
        ("app.commands.broker", "textual"),
        ("app.commands.broker", "aiohttp"),
        ("app.commands.topics", "gino"),
        ("app.subscriber.app", "gino"),
        ("app.publisher.app", "gino"),
    ],
)
def test_a_command_does_not_load_what_it_does_not_need(module: str, unwanted: str) -> None:
    code = f"import sys, {module}; sys.exit({unwanted!r} in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0


def test_the_options_are_found() -> None:
    assert {"host", "connect", "from_", "json", "script"} <= {name for name, _ in options()}
