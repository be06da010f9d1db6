"""The exit codes of the commands. 0 is done."""

FAILED, WRONG_USAGE, NO_BROKER, INTERRUPTED = 1, 2, 3, 130
