"""What was typed and not sent."""

from pathlib import Path

from app.publisher import drafts as module
from app.publisher.drafts import Drafts
from app.screens.memory import Memory

EMAIL = "ada@example.com"


def drafts(folder: Path, email: str = EMAIL) -> Drafts:
    return Drafts(Memory(folder / "screens.json"), email)


def test_a_saved_draft_is_there_after_a_restart_for_its_account_alone(tmp_path: Path) -> None:
    one = drafts(tmp_path)
    one.keep("T", "[/x] \x1b two\nlines")
    one.keep("U", "other")
    one.save()
    assert drafts(tmp_path).of("T") == "[/x] \x1b two\nlines"
    assert drafts(tmp_path).of("U") == "other"
    assert drafts(tmp_path, "eve@example.com").of("T") == ""


def test_an_emptied_draft_is_gone(tmp_path: Path) -> None:
    one = drafts(tmp_path)
    one.keep("T", "text")
    one.save()
    one.keep("T", "")
    one.save()
    assert drafts(tmp_path).of("T") == ""


def test_drafts_that_are_too_much_are_kept_for_this_run_alone(tmp_path: Path) -> None:
    one = drafts(tmp_path)
    for number in range(module.MOST_TOPICS + 1):
        one.keep(f"T{number}", "x")
    one.keep("long", "x" * (module.MOST_CHARACTERS + 1))
    one.save()
    again = drafts(tmp_path)
    assert one.of("long")
    assert not again.of("long")
    assert not again.of("T0")  # the one touched longest ago
    assert again.of(f"T{module.MOST_TOPICS}")
