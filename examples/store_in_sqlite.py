"""Store every message of some topics in an SQLite database, each exactly once.

It may be stopped or killed at any moment and started again. How far it has come is stored in
the same transaction as the messages, so the two never disagree; the broker is told only after
that. What comes again is told by its number.
"""

import argparse
import asyncio
import sqlite3
import sys
from collections.abc import Sequence
from contextlib import closing

from clients import BadAddress, Message, PubSubError, Subscriber

TABLES = """
CREATE TABLE IF NOT EXISTS messages (
    topic TEXT, seq INTEGER, published_at TEXT, publisher TEXT, text TEXT
);
CREATE TABLE IF NOT EXISTS progress (topic TEXT PRIMARY KEY, seq INTEGER);
"""


def store(database: sqlite3.Connection, messages: Sequence[Message]) -> None:
    """Store what is new of `messages`, which are of one topic; on return it is on disk."""
    topic, last = messages[-1].topic, messages[-1].seq
    with database:  # one transaction
        row = database.execute("SELECT seq FROM progress WHERE topic = ?", [topic]).fetchone()
        done = row[0] if row else 0
        database.executemany(
            "INSERT INTO messages VALUES (?, ?, ?, ?, ?)",
            [
                (topic, one.seq, one.published_at.isoformat(), one.publisher, one.text)
                for one in messages
                if one.seq > done
            ],
        )
        database.execute("REPLACE INTO progress VALUES (?, ?)", [topic, max(done, last)])


async def bridge(options: argparse.Namespace, database: sqlite3.Connection) -> None:
    subscriber = Subscriber(options.connect, options.email, create=True, auto_confirm=False)
    async with subscriber:
        subscribed = {one.topic_name for one in await subscriber.subscriptions()}
        for topic in options.topics:
            if topic not in subscribed:
                await subscriber.subscribe(topic, "all")
        async for messages in subscriber.blocks():
            store(database, messages)
            subscriber.confirm(messages[-1].topic, messages[-1].seq)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("database")
    parser.add_argument("topics", nargs="+", metavar="TOPIC")
    parser.add_argument("--connect", default="127.0.0.1:3000", metavar="HOST:PORT")
    parser.add_argument("--email", default="sqlite@example.com")
    options = parser.parse_args()
    try:
        with closing(sqlite3.connect(options.database)) as database:
            database.executescript(TABLES)
            asyncio.run(bridge(options, database))
    except (PubSubError, BadAddress, sqlite3.Error) as error:
        sys.exit(str(error))
    except KeyboardInterrupt:
        sys.exit(130)
