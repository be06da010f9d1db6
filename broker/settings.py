"""How a broker is set up: every bound in one place, with its unit in its name."""

from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

KIB = 1024
MIB = 1024 * KIB

# Room in a line for what stands around a message or a block: keys, a topic's name, a
# publisher's address, each at most six bytes a character when escaped.
ENVELOPE_BYTES = 4 * KIB


class Auth(StrEnum):
    """Who may sign in."""

    OPEN = "open"  # whoever names an account that has no password
    PASSWORD = "password"  # whoever knows its password, which every account needs


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """A broker's settings. Exactly one of `data_dir` and `store_url` says where its state is."""

    host: str = "127.0.0.1"
    port: int = 3000  # 0 takes any free one
    share_port: bool = False  # with other brokers of this user, among which connections go
    tls_cert: Path | None = None  # the certificate and those that vouch for it, as PEM
    tls_key: Path | None = None
    auth: Auth = Auth.OPEN
    insecure: bool = False  # listen beyond this machine without TLS and passwords
    data_dir: Path | None = None  # PostgreSQL is run out of it
    watched_dir: Path | None = None  # whose free disk counts; None: that of the data directory
    store_url: str | None = field(
        default=None, repr=False
    )  # postgresql:// or nats://, with a password
    allow_unsafe_store: bool = False  # take a server that may lose acknowledged messages

    message_bytes: int = 1 * MIB  # of one message, as JSON
    block_messages: int = 8_192
    block_bytes: int = 512 * KIB
    commit_bytes: int = 16 * MIB
    cache_bytes: int = 128 * MIB  # of recent blocks and their frames
    read_ahead_bytes: int = 1 * MIB  # of blocks, in one read from the store
    high_water_bytes: int = 1 * MIB  # unsent to one connection, before it falls behind
    unfinished_bytes: int = 4 * MIB  # unanswered publishes of one connection
    backlog: int = 1_024  # connections that wait to be accepted
    connections: int = 16_384
    connections_per_address: int | None = None  # None: 1,000, and all of them on loopback
    password_threads: int = 2  # passwords that are hashed or checked at a time

    cursor_save_s: float = 0.5
    retain_for_s: float | None = None  # messages are kept so long; None: for ever
    retain_bytes: int | None = None  # and so many bytes of a topic's messages; None: all
    store_wait_s: float = 30.0  # a publish waits for the store this long, then is refused
    stop_wait_s: float = 5.0  # connections get this long to take what is left for them
    sign_in_s: float = 60.0  # a connection has this long to sign in
    dead_peer_s: int = 120  # a peer whose machine is silent for so long is given up
    disk_floor_bytes: int = 256 * MIB  # with less free, publishes are refused

    def __post_init__(self) -> None:
        if (self.data_dir is None) == (self.store_url is None):
            raise ValueError("a broker takes either a data directory or a store URL")
        if (self.tls_cert is None) != (self.tls_key is None):
            raise ValueError("TLS takes both a certificate and its key")

    @property
    def line_bytes(self) -> int:
        """The longest line that is read, and that is sent."""
        return self.message_bytes + ENVELOPE_BYTES
