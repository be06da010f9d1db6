"""The topics in the palette: going to one, and subscribing to it."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from textual.command import Hit, Hits, Provider
from textual.content import Content

from app.text import in_cells

if TYPE_CHECKING:
    from app.subscriber.screen import SubscriberScreen


class TopicCommands(Provider):
    """Finds topics by name, as they are typed."""

    async def search(self, query: str) -> Hits:
        from app.subscriber.screen import SubscriberScreen

        screen = self.screen
        if not isinstance(screen, SubscriberScreen):
            return
        matcher = self.matcher(query)
        for name, subscribed in screen.topics_by_name():
            for words, run in _commands(screen, name, subscribed=subscribed):
                if (score := matcher.match(words)) > 0:
                    yield Hit(score, Content(words), run, text=words)


def _commands(
    screen: SubscriberScreen, name: str, *, subscribed: bool
) -> list[tuple[str, partial[None]]]:
    shown = in_cells(name)
    verb = "Unsubscribe from" if subscribed else "Subscribe to"
    return [
        (f"Go to {shown}", partial(screen.go_to_topic, name)),
        (f"{verb} {shown}", partial(screen.toggle_subscription, name)),
    ]
