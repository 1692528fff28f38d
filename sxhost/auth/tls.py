"""TLS: the certificate that a host shows, and the authorities that a client trusts.

A host's certificate can be reloaded while it runs: connections that are open keep the old one,
new ones get the new one.  A client cannot switch verification off.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, cast

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key
from OpenSSL import SSL, crypto
from service_identity import VerificationError
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import (
    IListeningPort,
    IOpenSSLServerConnectionCreator,
    IProtocolFactory,
    IStreamServerEndpoint,
)
from twisted.internet.ssl import (
    AcceptableCiphers,
    Certificate,
    CertificateOptions,
    TLSVersion,
    trustRootFromCertificates,
)
from twisted.protocols.tls import TLSMemoryBIOFactory
from twisted.python.failure import Failure
from zope.interface import implementer

from sxhost.logs import logger

__all__ = [
    "BadPEM",
    "ServerCertificate",
    "TLSServerEndpoint",
    "explain_tls_failure",
    "is_tls_port",
    "load_trust_root",
]

log = logger(__name__)

CIPHERS: Final = AcceptableCiphers.fromOpenSSLCipherString("ECDHE+AESGCM:ECDHE+CHACHA20")
"""Those of TLS 1.2 with forward secrecy and authenticated encryption; 1.3 has no others."""

PROTOCOLS: Final = (b"http/1.1",)
"""What is offered by ALPN: with HTTP/2 Twisted would bypass `HostChannel` and its limits."""

OTHERS: Final = 0o004
"""The permission that lets every user of the machine read a file."""


class BadPEM(ValueError):
    """A file is not the certificate or key that it should be; the message says which."""


@implementer(IOpenSSLServerConnectionCreator)
class ServerCertificate:
    """A listener's certificate: the chain in one file, the private key in another.

    The chain begins with the host's own certificate; intermediate authorities follow.

    :raises BadPEM: a file cannot be read, or the two do not belong together.
    """

    def __init__(self, certificate: Path, key: Path) -> None:
        self._certificate = certificate
        self._key = key
        self._context = self._load()

    def serverConnectionForTLS(self, protocol: Any) -> SSL.Connection:  # noqa: ARG002
        """Return the TLS side of a new connection, with the current certificate."""
        return SSL.Connection(self._context, None)

    def reload(self) -> None:
        """Read the files again; if they cannot be used, keep the certificate and log why."""
        try:
            self._context = self._load()
        except BadPEM as error:
            log.error("The certificate stays as it was: {error}", error=str(error))  # noqa: TRY400 - no traceback
        else:
            log.info("New connections are shown the certificate that is now in {file}",
                     file=str(self._certificate))  # fmt: skip

    def warn_if_key_is_readable(self) -> None:
        """Log a warning if other users can read the private key."""
        if self._key.stat().st_mode & OTHERS:
            log.warn("Every user of this machine can read {file}, the key to the certificate:"
                     " chmod 600", file=str(self._key))  # fmt: skip

    def _load(self) -> SSL.Context:
        certificate, *chain = _certificates(self._certificate)
        options = CertificateOptions(
            # Twisted's annotations know only pyOpenSSL's own kinds, which are deprecated.
            privateKey=cast("Any", _key(self._key)),
            certificate=cast("Any", certificate),
            extraCertChain=cast("Any", chain),
            acceptableCiphers=CIPHERS,
            acceptableProtocols=list(PROTOCOLS),
            raiseMinimumTo=TLSVersion.TLSv1_2,
        )
        try:
            return options.getContext()
        except SSL.Error as error:
            why = "the key is not the key of the certificate"
            raise BadPEM(f"{self._key} does not fit {self._certificate}: {why}") from error


@implementer(IStreamServerEndpoint)
class TLSServerEndpoint:
    """A server endpoint that wraps another one's connections in TLS."""

    def __init__(self, endpoint: Any, certificate: ServerCertificate) -> None:
        self._endpoint = endpoint
        self._certificate = certificate

    def listen(self, protocolFactory: IProtocolFactory) -> Deferred[IListeningPort]:
        """Listen; the factory's protocols get the decrypted bytes."""
        factory = TLSMemoryBIOFactory(self._certificate, False, protocolFactory)
        port: Deferred[IListeningPort] = self._endpoint.listen(factory)
        return port


def is_tls_port(port: IListeningPort) -> bool:
    """Tell whether a port's connections speak TLS."""
    return isinstance(getattr(port, "factory", None), TLSMemoryBIOFactory)


def load_trust_root(file: str) -> Any:
    """Return a trust root for clients: the authorities in a PEM file, and no others.

    :raises BadPEM: the file cannot be read, or holds no certificate.
    """
    return trustRootFromCertificates(
        Certificate.load(certificate.public_bytes(Encoding.DER), crypto.FILETYPE_ASN1)
        for certificate in _certificates(Path(file))
    )


class CertificateNotTrusted(Exception):
    """The host's certificate was not accepted; the message says why."""


def explain_tls_failure(failure: Failure) -> Failure:
    """Replace a failed verification by a `CertificateNotTrusted` with a sentence."""
    error = failure.value
    if isinstance(error, VerificationError):
        return Failure(CertificateNotTrusted("its certificate is for another name"))
    if isinstance(error, SSL.Error) and "certificate verify failed" in str(error):
        return Failure(
            CertificateNotTrusted("its certificate is of nobody known here, or out of date")
        )
    return failure


def _certificates(file: Path) -> Sequence[x509.Certificate]:
    """Read the certificates in a file."""
    content = _content(file)
    try:
        return x509.load_pem_x509_certificates(content)
    except ValueError as error:
        raise BadPEM(f"{file} has no certificate in PEM form, or a damaged one") from error


def _key(file: Path) -> object:
    """Read a key; one with a passphrase is refused, since nobody is there to be asked."""
    content = _content(file)
    try:
        return load_pem_private_key(content, None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise BadPEM(f"{file} has no private key in PEM form without a passphrase") from error


def _content(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        why = (error.strerror or str(error)).lower()
        raise BadPEM(f"{file} cannot be read: {why}") from error
