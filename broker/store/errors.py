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
