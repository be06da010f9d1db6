"""Finding earlier messages and stepping through them."""

from pathlib import Path

from app.publisher import recall as module
from app.publisher.recall import Earlier, Recall, Steps
from app.screens.memory import Memory

EMAIL = "ada@example.com"


def recall(folder: Path, *texts: str) -> Recall:
    one = Recall(Memory(folder / "screens.json"), EMAIL)
    for text in texts:
        one.add("T", text)
    return one


def found(one: Recall, wanted: str) -> list[str]:
    return [earlier.text for earlier in one.find(wanted)]


def test_the_newest_is_first_and_each_is_there_once(tmp_path: Path) -> None:
    one = recall(tmp_path, "a", "b", "a", "a")
    assert found(one, "") == ["a", "b"]


def test_a_restart_forgets_nothing_that_was_saved(tmp_path: Path) -> None:
    one = recall(tmp_path, "two\nlines", "[/x]\x1b")
    one.save()
    assert recall(tmp_path).newest_first == [Earlier("T", "[/x]\x1b"), Earlier("T", "two\nlines")]


def test_words_are_found_anywhere_and_letters_near_the_beginning(tmp_path: Path) -> None:
    far = "x" * 300 + "needle"
    one = recall(tmp_path, "order 17 shipped", "Order 18 paid", "odd rest", far)
    assert found(one, "needle") == [far]
    assert found(one, "ORDER paid") == ["Order 18 paid"]
    assert found(one, "o1p") == ["Order 18 paid", "order 17 shipped"]
    assert found(one, "T order") == ["Order 18 paid", "order 17 shipped"]
    assert found(one, "nothing like it") == []


def test_only_so_many_and_so_much_is_remembered(tmp_path: Path) -> None:
    one = recall(tmp_path, *map(str, range(module.MOST + 1)))
    assert len(one.newest_first) == module.MOST
    assert found(one, "")[-1] == "1"
    long = ["x" * module.LONGEST + "y", *(f"{n}" + "x" * (module.LONGEST - 5) for n in range(30))]
    one = recall(tmp_path, *long)
    assert long[0] not in found(one, "")
    assert sum(map(len, found(one, ""))) <= module.MOST_CHARACTERS
    assert found(one, "")[0] == long[-1]


def test_steps_go_back_and_return_to_what_was_typed(tmp_path: Path) -> None:
    steps = Steps(recall(tmp_path, "a", "b"))
    assert steps.older("typed") == "b"
    assert steps.older("b") == "a"
    assert steps.older("a") is None
    assert steps.newer("a") == "b"
    assert steps.newer("b") == "typed"
    assert steps.newer("typed") is None


def test_steps_begin_anew_from_what_was_changed(tmp_path: Path) -> None:
    steps = Steps(recall(tmp_path, "a", "b"))
    steps.older("")
    assert steps.older("b changed") == "b"
    assert steps.newer("b") == "b changed"
