"""What ends a command that cannot do what it is for."""


class WrongUsage(Exception):
    """The command was called in a way that cannot work; the text says how it can."""


class Failed(Exception):
    """The command could not do what it is for; the text says why."""
