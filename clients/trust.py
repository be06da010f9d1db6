"""TLS of a client: whom it trusts, and what to tell when that is not who answers."""

import ssl
from pathlib import Path

from clients.errors import BrokerNotTrusted, PubSubError

NAME_MISMATCH, ADDRESS_MISMATCH = 62, 64  # X509_V_ERR_HOSTNAME_MISMATCH, X509_V_ERR_IP_...
NOT_YET_VALID, EXPIRED = 9, 10


class UnusableCA(PubSubError):
    """The file of certificates to trust cannot be used; the text says why."""


def tls_context(*, tls: bool, ca: Path | None) -> ssl.SSLContext | None:
    """Return what connections are made with: None for plain ones.

    `ca` holds, as PEM, the certificates of those who vouch for the broker, in the place of the
    system's own; naming it means TLS.

    Raises:
        UnusableCA: there is no certificate in `ca`.
    """
    if ca is None:
        return ssl.create_default_context() if tls else None
    try:
        return ssl.create_default_context(cafile=ca)
    except ssl.SSLError as error:
        raise UnusableCA(f"{ca} holds no certificates as PEM; name a file that does") from error
    except OSError as error:
        raise UnusableCA(f"{ca} cannot be read: {error.strerror}; name another file") from error


def not_trusted(address: object, host: str, error: ssl.SSLError) -> BrokerNotTrusted:
    """Return what `error` means for a person."""
    if not isinstance(error, ssl.SSLCertVerificationError):
        why = (error.reason or str(error)).replace("_", " ").lower()
        if "wrong version number" in why or "record layer" in why:
            return BrokerNotTrusted(f"{address} does not speak TLS; connect without it")
        return BrokerNotTrusted(f"{address}: TLS fails ({why})")
    if error.verify_code in (NAME_MISMATCH, ADDRESS_MISMATCH):
        return BrokerNotTrusted(
            f"{address} shows a certificate that is not for {host}; connect by the name that it"
            " is for, or give the broker one that has this name"
        )
    if error.verify_code in (NOT_YET_VALID, EXPIRED):
        return BrokerNotTrusted(
            f"{address} shows a certificate that is not valid today ({error.verify_message});"
            " give the broker a new one"
        )
    return BrokerNotTrusted(
        f"{address} shows a certificate that nobody trusted here vouches for"
        f" ({error.verify_message}); name who does with --ca FILE"
    )
