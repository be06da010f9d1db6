"""What the tests of the screens may use."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from rich.console import RenderableType
from syrupy.assertion import SnapshotAssertion
from syrupy.extensions.single_file import SingleFileSnapshotExtension, WriteMode
from textual._compositor import Compositor
from textual.pilot import Pilot
from textual.screen import Screen

from app.access import Access
from app.screens.app import Options
from broker import Broker
from tests.app.frames import Looks, settled, steady


class Frames(SingleFileSnapshotExtension):
    """Frames are kept as text files, so that a change of a screen can be read as one."""

    _write_mode = WriteMode.TEXT
    file_extension = "txt"


@pytest.fixture
def frames(snapshot: SnapshotAssertion) -> SnapshotAssertion:
    """Compares frames with those that are kept."""
    return snapshot.use_extension(Frames)


@pytest.fixture
def looks(frames: SnapshotAssertion) -> Looks:
    """Waits until the screen is as the frame of a name has it."""

    async def wait_and_compare(pilot: Pilot[Any], name: str) -> None:
        assert await settled(pilot, frames(name=name), steady) == frames

    return wait_and_compare


@pytest.fixture(autouse=True)
def _own_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Nothing of the person who runs the tests is read or written."""
    for name in ("NO_COLOR", "TEXTUAL_THEME", "PUBSUB_CONFIG_DIR", "PUBSUB_EMAIL"):
        monkeypatch.delenv(name, raising=False)
    for name in ("XDG_CONFIG_HOME", "XDG_STATE_HOME", "XDG_DATA_HOME", "XDG_CACHE_HOME"):
        monkeypatch.setenv(name, str(tmp_path / name))
    monkeypatch.setenv("TEXTUAL_ANIMATIONS", "none")


@pytest.fixture(autouse=True)
def _drawn_when_looked_at(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Draw a screen when a test looks at it, not at each of its changes.

    Without a terminal Textual draws them all the same and throws that away, which was a quarter
    of what these tests took. Those that are marked `drawn` measure it.
    """
    if request.node.get_closest_marker("drawn") is None:
        monkeypatch.setattr(Compositor, "render_update", _nothing_drawn)


_render_update = Compositor.render_update


def _nothing_drawn(
    compositor: Compositor,
    full: bool = False,
    screen_stack: list[Screen[Any]] | None = None,
    simplify: bool = False,
) -> RenderableType | None:
    if full:  # a picture is wanted
        return _render_update(compositor, full, screen_stack, simplify)
    compositor._dirty_regions.clear()
    return None


@pytest.fixture
def options(broker: Broker, tmp_path: Path) -> Callable[..., Options]:
    """Makes the options of a screen that talks to `broker` and remembers in a folder of its own."""

    def make(email: str | None = None, connect: str = "", **others: Any) -> Options:
        return Options(
            access=Access(connect or f"127.0.0.1:{broker.port}", email),
            config_dir=tmp_path / "config",
            data_dir=tmp_path / "broker data",
            **others,
        )

    return make
