"""Print what is unread of a topic, then what comes, until Ctrl-C."""

import argparse
import asyncio
import sys

from clients import BadAddress, PubSubError, Subscriber


async def subscribe(options: argparse.Namespace) -> None:
    async with Subscriber(options.connect, options.email, create=True) as subscriber:
        await subscriber.subscribe(options.topic)
        async for message in subscriber:
            # Anybody may have written it. repr lets no control character through.
            print(message.seq, message.publisher, repr(message.text), flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("topic")
    parser.add_argument("--connect", default="127.0.0.1:3000", metavar="HOST:PORT")
    parser.add_argument("--email", default="subscriber@example.com")
    try:
        asyncio.run(subscribe(parser.parse_args()))
    except (PubSubError, BadAddress) as error:
        sys.exit(str(error))
    except KeyboardInterrupt:
        sys.exit(130)
