"""What the log tells: one line for each event that whoever runs a broker would ask about."""

import logging
from enum import StrEnum

_logger = logging.getLogger("pubsub.broker")


class Event(StrEnum):
    """What a line is about. A program reads this word; it is the same in every release."""

    STARTED = "started"
    STOPPING = "stopping"
    STOPPED = "stopped"
    SIGNED_IN = "signed_in"
    SIGNED_OUT = "signed_out"
    SIGN_IN_REFUSED = "sign_in_refused"
    TAKEN_OVER = "taken_over"
    OTHER_FOUND = "other_found"
    OTHER_GONE = "other_gone"
    SLOW_READER = "slow_reader"
    READS_ON = "reads_on"
    STORE_LOST = "store_lost"
    STORE_BACK = "store_back"
    STORE_REFUSED = "store_refused"
    LOW_DISK = "low_disk"
    DISK_FREE = "disk_free"
    TAKEN_OUT = "taken_out"
    TOPIC_DELETED = "topic_deleted"
    ACCOUNT_DELETED = "account_deleted"
    TURNED_AWAY = "turned_away"
    TOO_LARGE = "too_large"


def tell(event: Event, text: str, level: int = logging.INFO) -> None:
    """Log `text` as one line; strangers' words in it are made harmless where it is written."""
    _logger.log(level, "%s", text, extra={"event": event.value})
