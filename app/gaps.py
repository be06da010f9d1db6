"""What people are told of messages that are gone."""

from clients import Gap


def gap_in_words(gap: Gap) -> str:
    if gap.first_seq == gap.last_seq:
        return f"{gap.topic}: message {gap.first_seq:,} is gone: the broker no longer keeps it"
    return (
        f"{gap.topic}: messages {gap.first_seq:,} to {gap.last_seq:,} are gone: the broker no"
        " longer keeps them"
    )
