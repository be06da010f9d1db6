"""Where a JetStream cluster is, read from `nats://user:password@host,host?replicas=3`."""

import re
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, unquote, urlsplit

SCHEMES = ("nats://", "tls://")
PREFIX = "pubsub"
MOST_REPLICAS = 5

_PREFIX = re.compile(r"[A-Za-z0-9_-]{1,32}")


class NotAnAddress(ValueError):
    """The text says what is wrong, without quoting what may hold a password."""


@dataclass(frozen=True, slots=True)
class Address:
    """`servers` are host and port; `replicas` is None where the cluster decides.

    A user without a password is a token. All names in the cluster begin with `prefix`, so that
    several installations can share one.
    """

    servers: tuple[str, ...]
    user: str | None = field(default=None, repr=False)
    password: str | None = field(default=None, repr=False)
    tls: bool = False
    replicas: int | None = None
    prefix: str = PREFIX

    def __str__(self) -> str:
        return ",".join(self.servers)

    @classmethod
    def parse(cls, url: str) -> "Address":
        """Read `url`.

        Raises:
            NotAnAddress: it cannot be read, or asks for what there is not.
        """
        try:
            parts = urlsplit(url)
            options = dict(parse_qsl(parts.query, keep_blank_values=True, strict_parsing=False))
        except ValueError as error:
            raise NotAnAddress("it is not a URL that can be read") from error
        if parts.path.strip("/") or parts.fragment:
            raise NotAnAddress("after the servers there is room for ?replicas=3&prefix=pubsub only")
        login, _, hosts = parts.netloc.rpartition("@")
        user, _, password = login.partition(":")
        return cls(
            _servers(hosts),
            unquote(user) or None,
            unquote(password) or None,
            parts.scheme == "tls",
            _replicas(options.pop("replicas", None)),
            _prefix(options.pop("prefix", PREFIX), options),
        )


def _servers(hosts: str) -> tuple[str, ...]:
    servers = tuple(_server(host) for host in hosts.split(",") if host)
    if not servers:
        raise NotAnAddress("it names no server, as in nats://localhost:4222")
    return servers


def _server(host: str) -> str:
    try:
        parts = urlsplit(f"nats://{host}")
        name, port = parts.hostname, parts.port
    except ValueError as error:
        raise NotAnAddress("a server in it has no port that can be read") from error
    if not name:
        raise NotAnAddress("a server in it has no name")
    return f"[{name}]:{port or 4222}" if ":" in name else f"{name}:{port or 4222}"


def _replicas(text: str | None) -> int | None:
    if text is None:
        return None
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= MOST_REPLICAS:
        raise NotAnAddress(f"replicas is a number from 1 to {MOST_REPLICAS}")
    return int(text)


def _prefix(text: str, unknown: dict[str, str]) -> str:
    if unknown:
        raise NotAnAddress("it has an option besides replicas and prefix")
    if not _PREFIX.fullmatch(text):
        raise NotAnAddress("prefix is made of letters, digits, - and _, up to 32 of them")
    return text
