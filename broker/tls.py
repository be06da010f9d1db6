"""TLS between a socket and a connection: cipher bytes outside, plain bytes inside.

asyncio has TLS of its own, which we do not use: it cannot tell whether what was written has left
the process, which has to be known before a delivery counts, it throws away what is
written after the peer has ended its sending side, and it takes 256 KiB for every connection.
"""

import asyncio
import ssl
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import cast

from broker.listening import CannotListen
from protocol.replies import notice_v1

HANDSHAKE_BYTE = 0x16  # how a TLS client begins (RFC 8446, section 5.1); no JSON begins so
RECORD_BYTES = 16 * 1024  # the plain bytes of the longest record

TAKES_TLS = "this port takes TLS and nothing else; connect with TLS (pubsub does with --tls)"
TAKES_NO_TLS = "this port takes no TLS; connect without it (pubsub does without --tls)"


def server_context(certificate: Path, key: Path) -> ssl.SSLContext:
    """Return what TLS is served with: the chain in `certificate`, and its private `key`.

    Raises:
        CannotListen: the text says which of the files is wrong and how.
    """
    _check_pem(certificate, "--tls-cert", "CERTIFICATE-----", "certificate")
    _check_pem(key, "--tls-key", "PRIVATE KEY-----", "private key")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_NO_TICKET
    context.num_tickets = 0  # nobody comes back often enough to need them
    try:
        # Without a password of ours OpenSSL would ask for one on the terminal.
        context.load_cert_chain(certificate, key, password=lambda: "")
    except ssl.SSLError as error:
        raise CannotListen(_unusable(certificate, key, error)) from error
    return context


def _check_pem(file: Path, option: str, mark: str, what: str) -> None:
    try:
        text = file.read_text("ascii", errors="replace")
    except OSError as error:
        raise CannotListen(
            f"{file} cannot be read: {error.strerror}. Name the {what} in {option}"
        ) from error
    if mark not in text:
        raise CannotListen(f"{file} holds no {what} in PEM form. Name one that does in {option}")


def _unusable(certificate: Path, key: Path, error: ssl.SSLError) -> str:
    if error.reason == "KEY_VALUES_MISMATCH":
        return f"{key} is not the key of the certificate in {certificate}. Name the two that belong"
    text = key.read_text("ascii", errors="replace")
    if "ENCRYPTED" in text:
        return (
            f"{key} is encrypted, and nobody is here to type its password. Name a copy without"
            f" one, made with `openssl pkey -in {key}`, that only the broker's user can read"
        )
    why = (error.reason or str(error)).replace("_", " ").lower()
    return f"{certificate} and {key} cannot be used: {why}. Make them anew"


class TlsEnd(asyncio.Protocol, asyncio.Transport):
    """The broker's end of a TLS connection: to the socket a protocol, to `inner` a transport.

    What `inner` writes before the handshake is done waits for it. The peer may end its
    sending side (close_notify) and go on reading. A stream that ends without having been ended
    is a connection that is lost. `tell` is called with a sentence about a peer that does not
    get in.
    """

    __slots__ = (
        "_closing",
        "_early",
        "_ended",
        "_established",
        "_heard",
        "_incoming",
        "_inner",
        "_outgoing",
        "_tell",
        "_tls",
        "_transport",
    )

    def __init__(
        self, context: ssl.SSLContext, inner: asyncio.Protocol, tell: Callable[[str], None]
    ) -> None:
        self._inner = inner
        self._tell = tell
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_side=True)
        self._early = bytearray()  # written before the handshake was done
        self._heard = self._established = self._ended = self._closing = False

    # what the socket's transport tells

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._inner.connection_made(self)

    def data_received(self, data: bytes) -> None:
        if not self._heard:
            self._heard = True
            if data[0] != HANDSHAKE_BYTE:
                self._turn_away()
                return
        self._incoming.write(data)
        try:
            if self._established or self._shake_hands():
                self._read()
        except ssl.SSLError as error:
            self._fail(error)

    def eof_received(self) -> bool:
        return self._ended  # what was asked is still answered; else the stream was cut off

    def pause_writing(self) -> None:
        self._inner.pause_writing()

    def resume_writing(self) -> None:
        self._inner.resume_writing()

    def connection_lost(self, error: Exception | None) -> None:
        if self._heard and not self._established and not self._closing:
            self._tell(f"{self._peer} left before TLS was agreed on; it may not trust --tls-cert")
        self._closing = True
        self._inner.connection_lost(error)

    # what `inner` asks, as of any transport

    def write(self, data: bytes | bytearray | memoryview) -> None:
        if not self._established:
            self._early += data
        elif not self.is_closing():
            try:
                self._encrypt(data)
            except ssl.SSLError as error:
                self._fail(error)

    def close(self) -> None:
        """Close once all that was written is out; before the handshake nothing is."""
        if not self._closing:
            self._closing = True
            if self._established:
                self._say_end()
            self._transport.close()

    def abort(self) -> None:
        self._closing = True
        self._transport.abort()

    def can_write_eof(self) -> bool:
        return False

    def is_closing(self) -> bool:
        return self._closing or self._transport.is_closing()

    def pause_reading(self) -> None:
        self._transport.pause_reading()

    def resume_reading(self) -> None:
        self._transport.resume_reading()

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        self._transport.set_write_buffer_limits(high, low)

    def get_write_buffer_size(self) -> int:
        """Return the cipher bytes that wait in this process."""
        return self._transport.get_write_buffer_size() + len(self._early)

    def get_extra_info(self, name: str, default: object = None) -> object:
        return self._transport.get_extra_info(name, default)

    # TLS

    def _shake_hands(self) -> bool:
        """Take the handshake further; return whether it is done."""
        try:
            self._tls.do_handshake()
        except ssl.SSLWantReadError:
            return False
        finally:
            self._flush()
        self._established = True
        if self._early:
            early, self._early = self._early, bytearray()
            self._encrypt(early)
        return True

    def _read(self) -> None:
        """Hand on what has come, in one piece, and the end where the peer has ended its side."""
        pieces: list[bytes] = []
        try:
            while piece := self._tls.read(RECORD_BYTES):
                pieces.append(piece)
            ended = True
        except ssl.SSLZeroReturnError:
            ended = True  # on both sides
        except ssl.SSLWantReadError:
            ended = False
        self._flush()
        if pieces and not self._closing:
            self._inner.data_received(b"".join(pieces))
        if ended and not self._ended:
            self._ended = True
            if not self._closing:
                self._inner.eof_received()

    def _encrypt(self, data: bytes | bytearray | memoryview) -> None:
        left = memoryview(data)
        while left:
            left = left[self._tls.write(left) :]
        self._flush()

    def _flush(self) -> None:
        if self._outgoing.pending:
            self._transport.write(self._outgoing.read())

    def _say_end(self) -> None:
        with suppress(ssl.SSLError):  # that the peer has not said so too is none of our business
            self._tls.unwrap()
        self._flush()

    def _turn_away(self) -> None:
        """Say in plain words that this is not plain."""
        self._tell(f"{self._peer} came without TLS, which this port takes alone")
        self._transport.write(notice_v1(TAKES_TLS))
        self._closing = True
        self._transport.close()

    def _fail(self, error: ssl.SSLError) -> None:
        why = (error.reason or str(error)).replace("_", " ").lower()
        if "alert" in why and ("certificate" in why or "unknown ca" in why):
            self._tell(f"{self._peer} does not trust the certificate of --tls-cert ({why})")
        else:
            self._tell(f"{self._peer} is not let in: its TLS fails ({why})")
        self._flush()  # the alert that tells the peer
        self._closing = True
        self._transport.close()

    @property
    def _peer(self) -> str:
        return str((self._transport.get_extra_info("peername") or ["somebody"])[0])
