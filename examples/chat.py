"""Talk in a room with whoever is there. Ctrl-D leaves.

What was said while you were away comes first. Each person has two accounts, one that speaks
and one that listens, since an account is either a publisher or a subscriber.
"""

import argparse
import asyncio
import os
import sys

from clients import BadAddress, Publisher, PubSubError, Subscriber


async def chat(options: argparse.Namespace) -> None:
    speaker = Publisher(options.connect, f"{options.name}@speaks.example", create=True)
    listener = Subscriber(options.connect, f"{options.name}@listens.example", create=True)
    async with speaker, listener:
        await speaker.create_topic(options.room, exist_ok=True)
        await listener.subscribe(options.room)
        print(f"You are in {options.room}. Type, and press Enter.", flush=True)
        listening = asyncio.create_task(listen(listener, speaker.email))
        talking = asyncio.create_task(talk(speaker, options.room))
        await asyncio.wait([listening, talking], return_when=asyncio.FIRST_COMPLETED)
        listening.cancel()
        await (talking if talking.done() else listening)


async def listen(listener: Subscriber, own: str) -> None:
    async for message in listener:
        if message.publisher != own.lower():
            who = message.publisher.partition("@")[0]
            print(f"{who}: {harmless(message.text)}", flush=True)


async def talk(speaker: Publisher, room: str) -> None:
    lines: asyncio.Queue[bytes] = asyncio.Queue()
    keyboard = sys.stdin.fileno()
    loop = asyncio.get_running_loop()
    loop.add_reader(keyboard, lambda: lines.put_nowait(os.read(keyboard, 65536)))
    while typed := await lines.get():
        for line in typed.decode(errors="replace").splitlines():
            await speaker.send(room, line)
    loop.remove_reader(keyboard)


def harmless(text: str) -> str:
    """Let no control character of a stranger reach the terminal."""
    return "".join(one if one.isprintable() else "?" for one in text)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("name")
    parser.add_argument("room")
    parser.add_argument("--connect", default="127.0.0.1:3000", metavar="HOST:PORT")
    try:
        asyncio.run(chat(parser.parse_args()))
    except (PubSubError, BadAddress) as error:
        sys.exit(str(error))
    except KeyboardInterrupt:
        sys.exit(130)
