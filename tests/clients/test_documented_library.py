"""`docs/clients.md`: its programs do what it says, and its reference leaves nothing out."""

import ast
import contextlib
import inspect
import io
import re
from collections.abc import Iterator
from dataclasses import fields
from types import CodeType
from typing import Any

import pytest

import clients
from clients import Gap, Message, Observer, Phase, Publisher, Receipt, State, Subscriber
from clients.options import Options
from tests.process import ROOT

PAGE = (ROOT / "docs" / "clients.md").read_text("utf-8")
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def programs() -> Iterator[tuple[str, str]]:
    """Yield each program of the page with what it prints."""
    blocks = BLOCK.findall(PAGE)
    languages = [language for language, _ in blocks]
    assert languages == ["python", "text"] * (len(blocks) // 2)
    for (_, program), (_, printed) in zip(blocks[::2], blocks[1::2], strict=True):
        yield program, printed


async def test_every_program_prints_what_the_page_shows(address: str) -> None:
    names: dict[str, Any] = {}
    for program, expected in programs():
        here = program.replace("localhost:3000", address).replace("localhost:3001", "127.0.0.1:1")
        assert here != program or "localhost" not in program
        assert await printed(here, names) == expected, program


async def printed(program: str, names: dict[str, Any]) -> str:
    """Run `program` as `python -m asyncio` does, and return what it prints."""
    code = compile(program, "clients.md", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    assert isinstance(code, CodeType)
    with contextlib.redirect_stdout(io.StringIO()) as out:
        result = eval(code, names)
        if inspect.iscoroutine(result):
            await result
    return out.getvalue()


def section(name: str) -> str:
    """Return what the reference says under `name`."""
    reference = PAGE.split("\n## Reference\n")[1]
    found = re.search(rf"^### {name}\n(.*?)(?=^### |\Z)", reference, re.MULTILINE | re.DOTALL)
    assert found, f"the reference has no section {name}"
    return found[1]


@pytest.mark.parametrize("name", clients.__all__)
def test_the_reference_has_all_that_can_be_imported(name: str) -> None:
    assert section(name).strip()


def test_the_reference_has_nothing_else() -> None:
    found = re.findall(r"^### (.*)$", PAGE.split("\n## Reference\n")[1], re.MULTILINE)
    assert set(found) == {*clients.__all__, "Options"}


def public(kind: type) -> set[str]:
    own = {name for name in vars(kind) if not name.startswith("_")}
    return own - {"answered", "delivered", "noticed", "lost", "role"}  # what the link calls


@pytest.mark.parametrize(
    ("name", "members"),
    [
        ("Publisher", public(Publisher)),
        ("Subscriber", public(Subscriber)),
        (
            "Observer",
            set().union(*map(public, Observer.__mro__[:-1]))
            | {"state", "limits", "user_type", "email"},
        ),
        ("Options", set(Options.__annotations__)),
        ("Message", set(Message.__struct_fields__)),
        ("Gap", set(Gap.__struct_fields__)),
        ("Receipt", set(Receipt.__struct_fields__)),
        ("State", {field.name for field in fields(State)}),
        ("Phase", {phase.name for phase in Phase}),
    ],
)
def test_the_reference_names_every_member(name: str, members: set[str]) -> None:
    assert members
    text = section(name)
    missing = [one for one in members if not re.search(rf"`(await )?{one}\b", text)]
    assert missing == []


@pytest.mark.parametrize("kind", [Publisher, Subscriber])
def test_the_reference_shows_the_parameters_as_they_are(kind: type) -> None:
    text = section(kind.__name__)
    for name, parameter in inspect.signature(kind).parameters.items():
        default = parameter.default
        shown = f"{name}={default:_}" if type(default) is int else name
        assert shown in text
    for name in public(kind):
        member = inspect.getattr_static(kind, name)
        if inspect.isfunction(member):
            call = re.search(rf"`(?:await )?{name}\((.*?)\)`", text)
            assert call, name
            for taken in list(inspect.signature(member).parameters)[1:]:
                assert taken in call[1], f"{name} takes {taken}"


def test_every_error_is_in_the_table() -> None:
    table = PAGE.split("\n## What can go wrong\n")[1].split("\n## ")[0]
    for name in clients.__all__:
        if issubclass(getattr(clients, name), Exception):
            assert f"`{name}`" in table


def test_the_readme_leads_to_the_page() -> None:
    assert "(docs/clients.md)" in (ROOT / "README.md").read_text("utf-8")
