"""What was typed and not sent, by topic."""

from app.screens.memory import Memory

MOST_TOPICS = 100
MOST_CHARACTERS = 256 * 1024  # of all drafts together that outlive the program


class Drafts:
    """The drafts of one account; they outlive the program once they are saved.

    Where there are too many, or they are too long, the ones that were not touched for the
    longest time are kept for this run alone.
    """

    def __init__(self, memory: Memory, email: str) -> None:
        self._memory = memory
        self._name = f"publisher.drafts.{email}"
        self._texts = memory.named_texts(self._name)  # the one touched last is last
        self._changed = False

    def of(self, topic: str) -> str:
        return self._texts.get(topic, "")

    def keep(self, topic: str, text: str) -> None:
        """`text` is now the draft for `topic`; an empty one is none."""
        if self.of(topic) == text:
            return
        self._texts.pop(topic, None)
        if text:
            self._texts[topic] = text
        self._changed = True

    def save(self) -> None:
        """Write down what has changed since the last time."""
        if self._changed:
            self._changed = False
            self._memory.keep(self._name, self._worth_saving())

    def _worth_saving(self) -> dict[str, str]:
        room = MOST_CHARACTERS
        chosen: list[tuple[str, str]] = []
        for topic, text in [*reversed(self._texts.items())][:MOST_TOPICS]:
            if len(text) <= room:
                room -= len(text)
                chosen.append((topic, text))
        return dict(reversed(chosen))
