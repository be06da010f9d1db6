"""Files read into messages."""

import os
from pathlib import Path

import pytest

from app.publisher import file_messages as module
from app.publisher.file_messages import (
    FileFault,
    Mode,
    completion,
    likely_mode,
    look,
    pieces,
    save_failures,
)

LIMIT = 20


def file(folder: Path, content: bytes, name: str = "data") -> Path:
    path = folder / name
    path.write_bytes(content)
    return path


def texts(path: Path, mode: Mode) -> list[str]:
    return [piece.fault or piece.text for piece in pieces(path, mode, LIMIT)]


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", []),
        (b"a\nb\n", ["a", "b"]),
        (b"a\nb", ["a", "b"]),
        (b"a\r\n\n\xc3\xa4\x0b\n", ["a\r", "", "ä\x0b"]),
        (b"12345678901234567890\nb\n", ["22 bytes as sent, 2 more", "b"]),
        (b"x" * 70 + b"\nb\n" + b"y" * 70, ["longer than the 20 B", "b", "longer than the 20 B"]),
        (b"a\n\xff\xfe\nb\n", ["a", "not UTF-8 text: invalid start byte at byte 0", "b"]),
    ],
)
def test_a_line_is_what_ends_with_a_newline_or_with_the_file(
    tmp_path: Path, content: bytes, expected: list[str]
) -> None:
    found = texts(file(tmp_path, content), Mode.LINES)
    assert len(found) == len(expected)
    assert all(one.startswith(start) for one, start in zip(found, expected, strict=True))


def test_a_whole_file_is_one_message_as_it_is(tmp_path: Path) -> None:
    assert texts(file(tmp_path, b"a\r\nb\n"), Mode.WHOLE) == ["a\r\nb\n"]
    (told,) = texts(file(tmp_path, b"x" * 21), Mode.WHOLE)
    assert told == "larger than the 20 B that a message takes"


def test_elements_of_an_array_are_texts_or_their_json(tmp_path: Path) -> None:
    path = file(tmp_path, b'[ "a\\n\\u00e4", {"k": [1]}, 21.50, null, "" ]')
    assert texts(path, Mode.ARRAY) == ["a\nä", '{"k": [1]}', "21.50", "null", ""]


@pytest.mark.parametrize(
    ("content", "told"),
    [(b"{}", "not a JSON array"), (b"[1,", "not a JSON array"), (b"\xff", "not a JSON array")],
)
def test_what_is_no_array_is_told(tmp_path: Path, content: bytes, told: str) -> None:
    with pytest.raises(FileFault, match=told):
        texts(file(tmp_path, content), Mode.ARRAY)


def test_what_is_no_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(FileFault, match="No such file"):
        texts(tmp_path / "missing", Mode.LINES)
    with pytest.raises(FileFault, match="is a folder"):
        texts(tmp_path, Mode.LINES)
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(FileFault, match="not a plain file"):
        texts(tmp_path / "pipe", Mode.LINES)


def test_a_look_counts_all_and_shows_the_first(tmp_path: Path) -> None:
    path = file(tmp_path, b"a\n" * 7 + b"b")
    found = look(path, Mode.LINES, LIMIT)
    assert (found.size, found.count, len(found.first)) == (15, 8, module.SHOWN)
    assert look(path, Mode.WHOLE, LIMIT).count == 1
    assert look(file(tmp_path, b"[1,2,3,4,5,6,7]"), Mode.ARRAY, LIMIT).count == 7


def test_the_lines_of_a_very_large_file_are_not_counted_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "COUNTED_BYTES", 3)
    assert look(file(tmp_path, b"a\nb\n"), Mode.LINES, LIMIT).count is None


@pytest.mark.parametrize(
    ("name", "content", "mode"),
    [
        ("a.txt", b"[1]", Mode.LINES),
        ("a.json", b" [1]", Mode.ARRAY),
        ("a.json", b"{}", Mode.WHOLE),
        ("a.jsonl", b"{}\n{}", Mode.LINES),
    ],
)
def test_a_mode_is_proposed(tmp_path: Path, name: str, content: bytes, mode: Mode) -> None:
    assert likely_mode(file(tmp_path, content, name)) is mode
    assert likely_mode(tmp_path / "missing") is Mode.LINES


def test_a_path_is_completed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "orders").mkdir()
    file(tmp_path / "orders", b"", "a.txt")
    file(tmp_path, b"", ".hidden")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    assert completion("or") == "orders/"
    assert completion("~/or") == "~/orders/"
    assert completion(f"{tmp_path}/orders/") == f"{tmp_path}/orders/a.txt"
    assert completion(f"{tmp_path}/") == f"{tmp_path}/orders/"
    assert completion(".h") == ".hidden"
    for typed in ("", "nothing", "missing/x", ".", "~nobody-is-called-this/x", "\x00"):
        assert completion(typed) is None


def test_failures_are_saved_beside_the_file_and_never_over_another(tmp_path: Path) -> None:
    path = file(tmp_path, b"")
    first = save_failures(path, Mode.LINES, [b"a", b"\xff"])
    second = save_failures(path, Mode.ARRAY, [b'"a"', b"1"])
    assert (first.name, first.read_bytes()) == ("data.failed", b"a\n\xff\n")
    assert (second.name, second.read_bytes()) == ("data.failed.2", b'["a",\n1]\n')
