"""A connection as delivery sees it, with a peer that a test can steer."""

from collections.abc import Iterator

import msgspec

from protocol.incoming import BlockOfMessages


class FakeOutlet:
    """Takes what is written. Congested and acknowledged when the test says so."""

    def __init__(self) -> None:
        self.congested = False
        self.frames: list[bytes] = []
        self.written = 0
        self.congested_after: int | None = None  # so many frames, if any
        self._acknowledged = 0

    def write(self, data: bytes) -> None:
        assert not self.congested, "delivery went on though the buffer is full"
        self.frames.append(data)
        self.written += len(data)
        if self.congested_after is not None:
            self.congested_after -= 1
            self.congested = self.congested_after <= 0

    def acknowledged(self) -> int:
        return self._acknowledged

    def acknowledge(self, count: int | None = None) -> None:
        """Let the peer's TCP acknowledge `count` bytes in all, or everything."""
        self._acknowledged = self.written if count is None else count

    def drain(self) -> None:
        """Let the buffer drain; whoever owns the outlet has to go on then."""
        self.congested, self.congested_after = False, None

    def lines_v1(self) -> list[tuple[str, str]]:
        """Return what was delivered in version 1: action and message."""
        return [
            (line["action"], line["message"])
            for frame in self.frames
            for line in map(msgspec.json.decode, frame.splitlines())
        ]

    def lines_v2(self) -> list[tuple[str, str, int, str]]:
        """Return what was delivered in version 2: action, topic, seq and message, one each.

        A gap has its last seq in the place of a message.
        """
        return [*self._messages_v2()]

    def _messages_v2(self) -> Iterator[tuple[str, str, int, str]]:
        for frame in self.frames:
            for line in frame.splitlines():
                value = msgspec.json.decode(line)
                action = value["action"]
                if action == "gap":
                    yield action, value["topic_name"], value["seq"], str(value["last_seq"])
                    continue
                block = msgspec.json.decode(line, type=BlockOfMessages)
                for seq, message in enumerate(block.messages, block.seq):
                    yield action, block.topic_name, seq, message
