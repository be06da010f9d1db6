"""Certificates for tests, as files, from an authority that is made for them."""

import ssl
from dataclasses import dataclass
from pathlib import Path

import trustme


@dataclass(frozen=True)
class Certificates:
    """`ca` vouches for `cert`, which is for 127.0.0.1, and not for `stranger`, which is too.

    `other` is vouched for, and for another name.
    """

    folder: Path
    ca: Path
    cert: Path
    key: Path
    stranger_ca: Path
    other_cert: Path
    other_key: Path

    def trusting(self) -> ssl.SSLContext:
        """Return the TLS of a client that trusts `ca`."""
        return ssl.create_default_context(cafile=self.ca)


def make_certificates(folder: Path) -> Certificates:
    authority, stranger = trustme.CA(), trustme.CA()
    right = authority.issue_cert("127.0.0.1", "localhost")
    other = authority.issue_cert("elsewhere.example")
    made = Certificates(
        folder,
        *[folder / name for name in ("ca.pem", "cert.pem", "key.pem", "stranger.pem")],
        *[folder / name for name in ("other-cert.pem", "other-key.pem")],
    )
    authority.cert_pem.write_to_path(made.ca)
    stranger.cert_pem.write_to_path(made.stranger_ca)
    for issued, cert, key in (
        (right, made.cert, made.key),
        (other, made.other_cert, made.other_key),
    ):
        issued.private_key_pem.write_to_path(key)
        cert.write_bytes(b"".join(pem.bytes() for pem in issued.cert_chain_pems))
    return made
