"""How far a subscriber has come in one topic, across connections."""

from dataclasses import dataclass


@dataclass(slots=True)
class Progress:
    """Seqs of one topic; each grows only, while the subscription stays where it is put.

    `taken` is the newest that waits for the program or was handed to it: what comes again
    after a lost connection is dropped up to there. `processed` is the newest that the
    program has confirmed, `processed <= taken`. `delivered` and `acked` are of this
    connection alone: the broker takes an ack only of what it has delivered on it.
    """

    taken: int = 0
    processed: int = 0
    delivered: int = 0
    acked: int = 0

    def begin(self, cursor: int, head: int) -> bool:
        """A new connection begins, where the broker's cursor stands at `cursor` of `head`.

        Return whether the topic is another one, made anew in another store: then its seqs
        mean other messages than those that came before.
        """
        anew = head < self.taken
        if anew:
            self.taken = self.processed = cursor
        self.delivered = self.acked = cursor
        return anew

    def receive(self, first: int, last: int) -> int:
        """Messages `first` to `last` have come; return how many of them came before."""
        repeated = min(max(self.taken + 1 - first, 0), last + 1 - first)
        self.taken = max(self.taken, last)
        self.delivered = last
        return repeated

    def confirm(self, seq: int) -> None:
        self.processed = max(self.processed, min(seq, self.taken))

    @property
    def unheard(self) -> bool:
        """Whether the program has confirmed more than the broker was told on this connection."""
        return self.processed > self.acked

    def due(self) -> int | None:
        """Return the seq to acknowledge now, if there is one, and count it as done."""
        seq = min(self.processed, self.delivered)
        if seq <= self.acked:
            return None
        self.acked = seq
        return seq
