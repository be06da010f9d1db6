"""`pubsub publisher` and `pubsub subscriber`: the screens."""

from dataclasses import replace

from app.access import Access
from app.commands.ending import run_checked
from app.logs import log_to_file
from app.screens.app import Options, PubSubApp
from app.screens.symbols import terminal_is_ascii
from app.screens.terminal import require_terminal
from clients.address import addresses
from clients.trust import tls_context


def publisher(options: Options) -> None:
    require_terminal("pubsub pub")
    from app.publisher.app import PublisherApp

    _run(PublisherApp, options)


def subscriber(options: Options) -> None:
    require_terminal("pubsub sub")
    from app.subscriber.app import SubscriberApp

    _run(SubscriberApp, options)


def _check(access: Access) -> None:
    """Tell what cannot work before the terminal is taken."""
    addresses(access.connect)
    tls_context(tls=access.tls, ca=access.ca)


def _run(kind: type[PubSubApp], options: Options) -> None:
    run_checked(lambda: _check(options.access))
    log_to_file()
    ascii_only = options.ascii_only or terminal_is_ascii()
    kind(replace(options, ascii_only=ascii_only)).run()
