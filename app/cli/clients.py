"""The commands of a client, as they are typed: one publishes, one reads, some look."""

from typing import Annotated

import typer

from app.access import Access
from app.cli.access import takes_access
from app.cli.options import Json, Yes


@takes_access
def pub(
    access: Access,
    topic: Annotated[str, typer.Argument(help="The topic to publish to.")],
    text: Annotated[
        str | None,
        typer.Argument(help="The message. Without it, each line of standard input is one."),
    ] = None,
    create: Annotated[
        bool,
        typer.Option(
            "--create",
            envvar="PUBSUB_CREATE",
            help="Make the account and the topic if they are missing.",
        ),
    ] = False,
) -> None:
    """Publish a message, or one per line of standard input; return when all are on disk.

    For example: `tail -f app.log | pubsub pub LOGS --email me@example.com --create`
    """
    from app.commands import pub as command

    command.run(command.Options(topic, text, access, create))


@takes_access
def sub(
    access: Access,
    topics: Annotated[list[str], typer.Argument(help="The topics to subscribe to.")],
    create: Annotated[
        bool,
        typer.Option("--create", envvar="PUBSUB_CREATE", help="Make the account if it is missing."),
    ] = False,
    count: Annotated[
        int | None,
        typer.Option(envvar="PUBSUB_COUNT", min=1, help="Exit after so many messages."),
    ] = None,
    from_: Annotated[
        str | None,
        typer.Option(
            "--from",
            envvar="PUBSUB_FROM",
            metavar="all|new|SEQ",
            help="Where to begin: with everything there is, with what comes, or with a seq."
            " Without it: where you left off, and with everything the first time.",
        ),
    ] = None,
    json: Json = False,
) -> None:
    """Print the messages of topics: first what is unread, then what comes.

    A message is confirmed once it is printed, so whatever ends this command, the next one
    goes on right after it. Ctrl-C ends it.
    """
    from app.commands import sub as command

    command.run(command.Options(topics, access, create, count, from_, json))


@takes_access
def topics(
    access: Access,
    json: Json = False,
    delete: Annotated[
        str | None,
        typer.Option("--delete", metavar="TOPIC", help="Delete this topic, which you made."),
    ] = None,
    yes: Yes = False,
) -> None:
    """List the topics: how many messages, how many subscribers, how much is unread.

    --delete takes out a topic with its messages and its subscriptions. It asks twice.
    """
    if delete is not None:
        from app.commands import deleting

        deleting.topic(access, delete, yes=yes)
        return
    from app.commands import topics as command

    command.run(access, as_json=json)


@takes_access
def backlog(
    access: Access,
    json: Json = False,
) -> None:
    """Show what is unread, by topic.

    As a subscriber: your own unread messages. As a publisher: for each topic how many
    subscriptions are behind, and by how many messages in all.
    """
    from app.commands import backlog as command

    command.run(access, as_json=json)


@takes_access
def account(
    access: Access,
    delete: Annotated[bool, typer.Option("--delete", help="Delete the account.")] = False,
    yes: Yes = False,
) -> None:
    """Show who you are to the broker.

    --delete takes out the account with its subscriptions. It asks twice. What the account
    published stays, without a name; its topics stay, and nobody can delete them.
    """
    from app.commands import account as command
    from app.commands import deleting

    if delete:
        deleting.account(access, yes=yes)
    else:
        command.run(access)


@takes_access
def password(access: Access) -> None:
    """Change the account's password, or give it its first.

    Asks on the terminal for the present one, if there is one, and twice for the new one.
    Without a terminal they are PUBSUB_PASSWORD and PUBSUB_NEW_PASSWORD. Other sessions of the
    account end.
    """
    from app.commands import password as command

    command.run(access)
