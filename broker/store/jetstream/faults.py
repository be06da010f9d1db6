"""What can go wrong with JetStream, told by its codes."""

from broker.store.errors import StoreLost, StoreRefused

STREAM_NOT_FOUND = 10059
NO_MESSAGE_FOUND = 10037
WRONG_LAST_SEQUENCE = 10071
UNAVAILABLE = 10008
NOT_ENABLED = (10076, 10039)  # on the server, for the account
NAME_IN_USE = 10058
NO_SUITABLE_PEERS = 10005
REPLICAS_TOO_MANY = 10074  # more than one where there is no cluster


class NotNow(StoreLost):
    """The cluster says that it has no leader just now. Nothing was done."""


class NoAnswer(StoreLost):
    """No answer came in time."""

    def __init__(self) -> None:
        super().__init__("no answer in time")


class NobodyAnswers(StoreLost):
    """Nobody listens where something was asked: no leader just now, or nothing of the name."""


class ApiRefused(StoreRefused):
    """JetStream answered with an error that trying again does not cure."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(text)
        self.code = code


def api_error(error: dict[str, object]) -> StoreLost | ApiRefused:
    """Return what an answer's error means: another try may help, or will not."""
    text = " ".join(str(error.get("description", "no reason given")).split())
    code = error.get("err_code")
    if code == UNAVAILABLE:
        return NotNow(text)
    # 503: no leader, no quorum, a server that starts. 500: a store that failed at the moment.
    if error.get("code") in (503, 500) and code not in (*NOT_ENABLED, REPLICAS_TOO_MANY):
        return StoreLost(text)
    return ApiRefused(code if isinstance(code, int) else 0, text)
