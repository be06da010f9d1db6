"""Python, the packages, and whether each is of a release that this program takes."""

import re
import sys
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, requires, version

from app.doctor.finding import Finding, note, ok, wrong

OURS = "pubsub-suite"
OLDEST, NEWEST = (3, 11), (3, 13)  # of Python; later ones were not tried

_COMPARED = {
    ">=": lambda here, bound: here >= bound,
    "<=": lambda here, bound: here <= bound,
    "==": lambda here, bound: here[: len(bound)] == bound,
    "!=": lambda here, bound: here[: len(bound)] != bound,
    ">": lambda here, bound: here > bound,
    "<": lambda here, bound: here < bound,
}


def examine_software() -> Iterator[Finding]:
    yield _python(sys.version_info[:3])
    try:
        needed = requires(OURS) or []
    except PackageNotFoundError:
        yield note(f"{OURS} is not installed as a package, so its packages are not checked.")
        return
    yield ok(f"{OURS} is {version(OURS)}.")
    yield from _packages(needed)


def _python(here: tuple[int, ...]) -> Finding:
    told = ".".join(map(str, here))
    if here[:2] < OLDEST:
        return wrong(f"Python is {told}, and the oldest that works is 3.11.", "Install that.")
    if here[:2] > NEWEST:
        return note(f"Python is {told}; this was tried with 3.11 to 3.13.")
    return ok(f"Python is {told}.")


def _packages(needed: list[str]) -> Iterator[Finding]:
    good = []
    for requirement in needed:
        wanted, _, marker = requirement.partition(";")
        name = re.split(r"[^\w.-]", wanted.strip(), maxsplit=1)[0]
        if "extra ==" in marker or ("win32" in marker and sys.platform == "win32"):
            continue
        remedy = f"pip install '{wanted.strip()}', or install {OURS} again."
        try:
            here = version(name)
        except PackageNotFoundError:
            yield wrong(f"The package {name} is missing.", remedy)
            continue
        if fits(here, wanted.strip()[len(name) :]):
            good.append(f"{name} {here}")
        else:
            yield wrong(f"The package {name} is {here}, and {wanted.strip()} is needed.", remedy)
    if good:
        yield ok(f"Packages: {', '.join(sorted(good, key=str.lower))}.")


def fits(here: str, bounds: str) -> bool:
    """Return whether the release `here` is within `bounds`, such as ">=1.2,<2"."""
    return all(
        _COMPARED[sign](_numbers(here), _numbers(bound))
        for sign, bound in re.findall(r"(>=|<=|==|!=|>|<)\s*([\w.]+)", bounds)
    )


def _numbers(release: str) -> tuple[int, ...]:
    found = re.match(r"\d+(\.\d+)*", release)
    return tuple(map(int, found[0].split("."))) if found else ()
