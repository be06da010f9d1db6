"""Whether each package is of a release that this program takes."""

import sys

import pytest

from app.doctor import software
from app.doctor.finding import Verdict


@pytest.mark.parametrize(
    ("here", "bounds", "right"),
    [
        ("0.32.0", ">=0.32,<0.33", True),
        ("0.33.1", ">=0.32,<0.33", False),
        ("0.31.9", "<0.33,>=0.32", False),
        ("1.0.1", "==1.0.1", True),
        ("1.0.2", "==1.0.1", False),
        ("10.0", ">=9", True),
        ("2.0rc1", ">=2", True),
        ("3.1", "!=3.1", False),
        ("7", "", True),
    ],
)
def test_a_release_is_within_its_bounds_or_not(here: str, bounds: str, right: bool) -> None:
    assert software.fits(here, bounds) is right


def test_what_is_installed_here_is_right() -> None:
    verdicts = {finding.verdict for finding in software.examine_software()}
    assert Verdict.WRONG not in verdicts
    assert Verdict.OK in verdicts


def test_a_package_that_is_missing_or_of_another_release_is_wrong_and_has_a_remedy(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    needed = ["msgspec<0.2,>=0.1", "no-such-package>=1", 'web-thing; extra == "web"']
    monkeypatch.setattr(software, "requires", lambda name: needed)
    found = [one for one in software.examine_software() if one.verdict is Verdict.WRONG]
    assert [one.text.split(",")[0].split(" is ")[0] for one in found] == [
        "The package msgspec",
        "The package no-such-package",
    ]
    assert found[0].remedy.startswith("pip install 'msgspec<0.2,>=0.1'")


@pytest.mark.parametrize(
    ("version", "verdict"),
    [((3, 10, 9), Verdict.WRONG), ((3, 12, 1), Verdict.OK), ((3, 99, 0), Verdict.NOTE)],
)
def test_python_is_too_old_known_or_new(version: tuple[int, ...], verdict: Verdict) -> None:
    assert software._python(version).verdict is verdict
    assert software._python(sys.version_info[:3]).verdict is not Verdict.WRONG
