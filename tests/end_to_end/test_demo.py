"""`pubsub demo --script`, which `make demo` runs."""

from app.demo.steps import STEPS
from tests.process import run


async def test_every_step_of_the_demonstration_does_what_it_says() -> None:
    ended = await run("demo", "--script")
    assert (ended.code, ended.err) == (0, "")
    text = ended.out.decode()
    assert text.count("\n  ok: ") == len(STEPS)
    assert "FAILED" not in text
    assert text.endswith(f"All {len(STEPS)} steps did what they say.\n")
