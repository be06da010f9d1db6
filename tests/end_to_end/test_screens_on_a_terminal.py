"""`pubsub publisher` and `pubsub subscriber` on a terminal, as their users have them."""

from pathlib import Path

from broker import Broker
from clients import Publisher, Subscriber
from tests.patience import until
from tests.process import run
from tests.terminal import terminal

ENTER, CTRL_Q, CTRL_S = "\r", "\x11", "\x13"
OWN_SCREEN, SCREEN_BEFORE = b"\x1b[?1049h", b"\x1b[?1049l"


async def test_a_message_is_written_on_one_screen_and_read_on_the_other(
    broker: Broker, tmp_path: Path
) -> None:
    address = f"127.0.0.1:{broker.port}"
    async with Publisher(address, "bob@example.com", create=True) as bob:
        await bob.create_topic("orders")
    async with Subscriber(address, "ada@example.com", create=True) as ada:
        await ada.subscribe("orders")
    options = ["--connect", address, "--email"]
    async with (
        terminal("publisher", *options, "bob@example.com", home=tmp_path / "bob") as writer,
        terminal("subscriber", *options, "ada@example.com", home=tmp_path / "ada") as reader,
    ):
        await reader.until("Waiting for the first message.")
        await writer.until("1 topic")
        writer.press(ENTER)
        await writer.until("Message to orders")
        writer.press("a rose" + CTRL_S)
        await writer.until("1 stored")
        await reader.until("a rose")
        for screen in (writer, reader):
            screen.press(CTRL_Q)
            assert await screen.code() == 0
            assert OWN_SCREEN in screen.written
            await until(lambda screen=screen: SCREEN_BEFORE in screen.written)


async def test_without_a_terminal_each_names_the_plain_command(broker: Broker) -> None:
    for screen, plain in (("publisher", "pubsub pub"), ("subscriber", "pubsub sub")):
        ended = await run(screen, "--connect", f"127.0.0.1:{broker.port}")
        assert (ended.code, ended.out) == (2, b"")
        assert plain in ended.err
