"""Which room may import which: app -> bench -> broker, clients -> protocol, and none back."""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

HOUSE = Path(__file__).parents[1]

ARROWS = {
    "app": {"bench", "broker", "clients"},
    "bench": {"broker", "clients", "protocol"},  # it measures the store and the library bare
    "broker": {"protocol"},
    "clients": {"protocol"},
    "protocol": set(),
}
# The wire decides what bytes mean: it reads none, waits for nothing, and keeps nothing.
NOT_FOR_PROTOCOL = {
    "asyncio",
    "http",
    "multiprocessing",
    "os",
    "pathlib",
    "select",
    "selectors",
    "signal",
    "socket",
    "socketserver",
    "sqlite3",
    "ssl",
    "subprocess",
    "threading",
    "time",
    "urllib",
}
OTHERS_FOR_PROTOCOL = {"msgspec"}


def imports(source: str, package: str) -> Iterator[str]:
    """Yield the full name of each module that a module of `package` imports, wherever it does."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package.split(".")[: len(package.split(".")) - node.level + 1]
            yield ".".join([*(above if node.level else []), *filter(None, [node.module])])
        elif isinstance(node, ast.Call) and ast.unparse(node.func).split(".")[-1] in (
            "__import__",
            "import_module",
        ):
            yield from (one.value for one in node.args if _is_text(one))  # type: ignore[attr-defined]


def _is_text(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, str)


def wrong_imports(house: Path, room: str, may: set[str]) -> list[str]:
    """Return the imports in `room` of rooms that it may not know, as "file: module"."""
    return [
        f"{file.relative_to(house)}: {module}"
        for file, module in imports_of(house, room)
        if module.split(".")[0] in ARROWS.keys() - may - {room}
    ]


def imports_of(house: Path, room: str) -> Iterator[tuple[Path, str]]:
    for file in sorted((house / room).rglob("*.py")):
        package = ".".join(file.relative_to(house).parent.parts)
        for module in imports(file.read_text(encoding="utf-8"), package):
            yield file, module


@pytest.mark.parametrize("room", ARROWS)
def test_a_room_imports_only_the_rooms_its_arrows_lead_to(room: str) -> None:
    assert list((HOUSE / room).rglob("*.py")), "the room is empty"
    assert wrong_imports(HOUSE, room, ARROWS[room]) == []


def test_the_wire_knows_no_socket_no_store_and_no_loop() -> None:
    known = {module.split(".")[0] for _, module in imports_of(HOUSE, "protocol")} - {"protocol"}
    assert known & NOT_FOR_PROTOCOL == set()
    assert known - sys.stdlib_module_names == OTHERS_FOR_PROTOCOL


@pytest.mark.parametrize("room", ["broker", "clients", "protocol"])
def test_a_room_does_not_reach_the_tests_and_the_bench(room: str) -> None:
    known = {module.split(".")[0] for _, module in imports_of(HOUSE, room)}
    assert known & {"tests", "bench", "examples", "textual", "typer"} == set()


@pytest.mark.parametrize(
    "source",
    [
        "import clients",
        "import json, clients.publisher as other",
        "from clients import Publisher",
        "from clients.publisher import Publisher",
        "def later():\n    from clients import Publisher",
        "if TYPE_CHECKING:\n    from clients import Publisher",
        "try:\n    import clients\nexcept ImportError:\n    pass",
        "importlib.import_module('clients.publisher')",
        "__import__('clients')",
    ],
)
def test_a_wrong_import_is_noticed_however_it_is_written(tmp_path: Path, source: str) -> None:
    file = tmp_path / "broker" / "store" / "planted.py"
    file.parent.mkdir(parents=True)
    file.write_text(source)
    (found,) = wrong_imports(tmp_path, "broker", {"protocol"})
    assert found.startswith("broker/store/planted.py: ")


@pytest.mark.parametrize(
    "source", ["from . import clients", "from .clients import x", "import json", "import protocol"]
)
def test_a_right_import_is_let_through(tmp_path: Path, source: str) -> None:
    file = tmp_path / "broker" / "planted.py"
    file.parent.mkdir()
    file.write_text(source)
    assert wrong_imports(tmp_path, "broker", {"protocol"}) == []
