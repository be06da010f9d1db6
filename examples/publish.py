"""Publish one message, and return when it is on disk."""

import argparse
import asyncio
import sys

from clients import BadAddress, Publisher, PubSubError


async def publish(options: argparse.Namespace) -> None:
    async with Publisher(options.connect, options.email, create=True) as publisher:
        await publisher.create_topic(options.topic, exist_ok=True)
        receipt = await publisher.publish(options.topic, options.text)
        print(f"stored as number {receipt.seq} of {receipt.topic}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("topic")
    parser.add_argument("text")
    parser.add_argument("--connect", default="127.0.0.1:3000", metavar="HOST:PORT")
    parser.add_argument("--email", default="publisher@example.com")
    try:
        asyncio.run(publish(parser.parse_args()))
    except (PubSubError, BadAddress) as error:
        sys.exit(str(error))
    except KeyboardInterrupt:
        sys.exit(130)
