"""Earlier messages of an account, to be found and sent again."""

from dataclasses import dataclass

from app.screens.memory import Memory

MOST = 500
MOST_CHARACTERS = 1024 * 1024  # of all of them together
LONGEST = 64 * 1024  # characters; a longer message is not remembered
FUZZY_WITHIN = 200  # characters at the beginning, in which letters may lie apart


@dataclass(frozen=True, slots=True)
class Earlier:
    """A message that was sent before."""

    topic: str
    text: str


class Recall:
    """The newest messages of one account, newest first; each is in it once."""

    def __init__(self, memory: Memory, email: str) -> None:
        self._memory = memory
        self._name = f"publisher.sent.{email}"
        self._all = [_unpacked(one) for one in memory.texts(self._name) if "\n" in one]
        self._changed = False

    @property
    def newest_first(self) -> list[Earlier]:
        return [*self._all]

    def add(self, topic: str, text: str) -> None:
        """Remember a message that was sent just now, unless it is very long."""
        one = Earlier(topic, text)
        if len(text) > LONGEST or self._all[:1] == [one]:
            return
        if one in self._all:
            self._all.remove(one)
        self._all.insert(0, one)
        self._forget()
        self._changed = True

    def find(self, wanted: str) -> list[Earlier]:
        """Return the messages that `wanted` may mean, the best first.

        First those that have all of its words somewhere, in topic or text, then those that
        have its letters in this order near the beginning. Each newest first.
        """
        words = wanted.casefold().split()
        letters = "".join(words)
        exact: list[Earlier] = []
        fuzzy: list[Earlier] = []
        for one in self._all:
            where = f"{one.topic} {one.text}".casefold()
            if all(word in where for word in words):
                exact.append(one)
            elif _in_order(letters, where[:FUZZY_WITHIN]):
                fuzzy.append(one)
        return exact + fuzzy

    def save(self) -> None:
        """Write down what has changed since the last time."""
        if self._changed:
            self._changed = False
            self._memory.keep(self._name, [f"{one.topic}\n{one.text}" for one in self._all])

    def _forget(self) -> None:
        del self._all[MOST:]
        characters = sum(len(one.text) for one in self._all)
        while characters > MOST_CHARACTERS:
            characters -= len(self._all.pop().text)


class Steps:
    """Steps through earlier messages in one place, with what was typed there at the end."""

    def __init__(self, recall: Recall) -> None:
        self._recall = recall
        self._texts: list[str] = []
        self._place = 0

    def older(self, current: str) -> str | None:
        """Return the next older text, or None where there is none."""
        return self._step(current, 1)

    def newer(self, current: str) -> str | None:
        """Return the next newer text, or None where there is none."""
        return self._step(current, -1)

    def _step(self, current: str, by: int) -> str | None:
        if not self._texts or self._texts[self._place] != current:
            earlier = dict.fromkeys(one.text for one in self._recall.newest_first)
            self._texts = [current, *(text for text in earlier if text != current)]
            self._place = 0
        place = self._place + by
        if not 0 <= place < len(self._texts):
            return None
        self._place = place
        return self._texts[place]


def _unpacked(packed: str) -> Earlier:
    topic, _, text = packed.partition("\n")
    return Earlier(topic, text)


def _in_order(letters: str, text: str) -> bool:
    rest = iter(text)
    return all(letter in rest for letter in letters)
