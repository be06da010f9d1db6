"""What can go wrong with a store, split by what the broker can do about it."""


class StoreUnusable(Exception):
    """The store cannot be used as it is, and trying again will not help.

    The text is for a person: one sentence that says what is wrong and one that says what
    to do. Nothing has been changed.
    """


class StoreError(Exception):
    """Something that was asked of the store was not answered, or not done."""


class StoreLost(StoreError):
    """The store did not answer, or its connection broke; it may be back in a moment.

    What was asked of it may have happened or not. `Store.append` may be repeated with the
    same batch, which finds out; everything else may simply be asked again.
    """


class StoreRefused(StoreError):
    """The store answered that it will not do what was asked. It was not done."""


class Superseded(StoreError):
    """A newer session of the account has begun, perhaps at another broker. It was not done."""


class BatchOutdated(StoreError):
    """A batch names what is not so any more, by the doing of another broker. It was not stored.

    `topics` are the ids of those that are gone; `producers`, as account and name, those that a
    newer session has taken over or whose account is gone. One of the two is not empty.
    """

    def __init__(
        self,
        topics: frozenset[int] = frozenset(),
        producers: frozenset[tuple[int, str]] = frozenset(),
    ) -> None:
        super().__init__("the batch names topics or producers that are gone or taken over")
        self.topics = topics
        self.producers = producers
