"""What runs under a pid that was read from a file.

Such a pid may belong to nobody, to a process that ended and was not waited for (a zombie,
common in containers, where it still answers to `kill -0`), or by now to another program.
"""

import os
import subprocess
import sys
from pathlib import Path


def lives(pid: int) -> bool:
    """Return whether a process runs under `pid`. A zombie does not run."""
    return command(pid) != ""


def is_postmaster(pid: int, cluster: Path) -> bool:
    """Return whether `pid` is the server of the cluster, and not just any process."""
    program, _, arguments = command(pid).partition(" -D ")
    if os.path.basename(program) != "postgres":
        return False
    try:  # a server works in its cluster, which it follows when the folder is moved
        return os.path.samefile(f"/proc/{pid}/cwd", cluster)
    except OSError:  # no /proc, or not ours to look into
        return arguments.startswith(f"{cluster} ")


def command(pid: int) -> str:
    """Return how the process was called, or nothing when there is none or it has ended."""
    return _command_from_proc(pid) if sys.platform == "linux" else _command_from_ps(pid)


def _command_from_proc(pid: int) -> str:
    try:
        line = Path(f"/proc/{pid}/cmdline").read_bytes()  # a zombie's is empty
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return ""
    return os.fsdecode(line).rstrip("\0").replace("\0", " ")


def _command_from_ps(pid: int) -> str:
    answer = subprocess.run(
        ["ps", "-ww", "-o", "stat=,command=", "-p", str(pid)], capture_output=True, check=False
    )
    state, _, words = os.fsdecode(answer.stdout).strip().partition(" ")
    return "" if state.startswith("Z") else words.strip()
