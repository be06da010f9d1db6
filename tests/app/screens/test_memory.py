"""What the screens remember."""

from pathlib import Path

from app.screens.memory import Memory


def test_what_is_kept_is_there_the_next_time(tmp_path: Path) -> None:
    memory = Memory(tmp_path / "deep" / "screens.json")
    memory.keep("theme", "dark")
    memory.keep("drafts", {"T": "[/x]"})
    again = Memory(tmp_path / "deep" / "screens.json")
    assert (again.text("theme"), again.named_texts("drafts")) == ("dark", {"T": "[/x]"})
    assert (again.text("drafts"), again.texts("theme"), again.text("other")) == ("", [], "")


def test_two_screens_do_not_forget_each_others(tmp_path: Path) -> None:
    one, other = Memory(tmp_path / "screens.json"), Memory(tmp_path / "screens.json")
    one.keep("publisher.email", "ada@example.com")
    other.keep("subscriber.email", "eve@example.com")
    again = Memory(tmp_path / "screens.json")
    assert again.text("publisher.email") == "ada@example.com"
    assert again.text("subscriber.email") == "eve@example.com"


def test_a_damaged_file_counts_as_empty(tmp_path: Path) -> None:
    file = tmp_path / "screens.json"
    for damage in (b"{", b"[1]", b"\xff"):
        file.write_bytes(damage)
        memory = Memory(file)
        memory.keep("theme", "dark")
        assert Memory(file).text("theme") == "dark"
