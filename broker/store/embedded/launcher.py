"""Become a PostgreSQL program: take on its account, tie it to the broker, exec.

    python -I -S launcher.py ACCOUNT SIGNAL PARENT PROGRAM [ARGUMENT...]
    python -I -S launcher.py ACCOUNT --reach PATH...

The first form never returns. The process keeps its id, so the broker's child is then
PostgreSQL itself. The second tells whether the account may enter each PATH.

This is a program of its own, and not a `preexec_fn`, because the broker may live in a
program with threads, where Python code between fork and exec can wait forever for a lock
that a thread held. It imports nothing of the project and starts in 20 ms.
"""

import ctypes
import errno
import os
import signal
import sys

REFUSED = 77  # the account cannot be taken on here; standard error says why
UNREACHED = 78  # standard output names the first path that the account cannot enter

_CLONE_NEWUSER = 0x10000000
_PR_SET_PDEATHSIG = 1


def main() -> int:
    account, verb, *rest = sys.argv[1:]
    _forget_inherited_signals()
    try:
        _take_on(account)
    except OSError as error:
        print(error.strerror, file=sys.stderr)
        return REFUSED
    if verb != "--reach":
        parent, program, *arguments = rest
        _die_with(int(parent), int(verb))
        os.execv(program, [program, *arguments])  # from here on this is PostgreSQL
    return _reach(rest)


def _forget_inherited_signals() -> None:
    # A broker started with nohup, or from a thread that blocks signals, would hand that
    # down and PostgreSQL's programs would not hear the signals that stop them.
    for name in (signal.SIGINT, signal.SIGTERM, signal.SIGQUIT, signal.SIGHUP, signal.SIGPIPE):
        signal.signal(name, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, [])


def _take_on(account: str) -> None:
    kind, *numbers = account.split(":")
    if kind == "namespace":
        _enter_namespace(*numbers)
    elif kind == "user":
        uid, gid, groups = numbers
        os.setgroups([int(group) for group in groups.split(",")])
        os.setgid(int(gid))
        os.setuid(int(uid))


def _enter_namespace(uid: str, gid: str) -> None:
    """Go on as `uid` in a user namespace; to everyone outside still the same user."""
    if sys.platform != "linux":
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))
    outer_uid, outer_gid = os.geteuid(), os.getegid()
    if _libc().unshare(_CLONE_NEWUSER) != 0:
        _raise_errno()
    for file, content in (
        ("setgroups", "deny"),  # the kernel wants this before a gid_map
        ("uid_map", f"{uid} {outer_uid} 1"),
        ("gid_map", f"{gid} {outer_gid} 1"),
    ):
        with open(f"/proc/self/{file}", "w") as target:
            target.write(content)


def _die_with(parent: int, death_signal: int) -> None:
    """Have the kernel send `death_signal` to this process when `parent` dies."""
    if sys.platform != "linux":
        return
    # Changing the user clears the wish, so it comes after `_take_on`; exec keeps it.
    if _libc().prctl(_PR_SET_PDEATHSIG, death_signal) != 0:
        _raise_errno()
    if os.getppid() != parent:  # it died before the wish was heard
        sys.exit(REFUSED)


def _reach(paths: list[str]) -> int:
    for path in paths:
        if not os.access(path, os.X_OK):
            print(path)
            return UNREACHED
    return 0


def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def _raise_errno() -> None:
    number = ctypes.get_errno()
    raise OSError(number, os.strerror(number))


if __name__ == "__main__":
    sys.exit(main())
