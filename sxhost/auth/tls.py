"""TLS: the certificate that a host shows, and whom a client believes.

A host's certificate can be exchanged while it runs: connections that are open keep theirs,
new ones are shown the new one.  A client has no way to believe everyone.
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

__all__ = ["BadPEM", "OverTLS", "ServerCertificate", "explained", "is_secure", "trust"]

log = logger(__name__)

CIPHERS: Final = AcceptableCiphers.fromOpenSSLCipherString("ECDHE+AESGCM:ECDHE+CHACHA20")
"""Of TLS 1.2 those with forward secrecy and authenticated encryption; 1.3 has no others."""

PROTOCOLS: Final = (b"http/1.1",)

OTHERS: Final = 0o004
"""The permission that lets every user of the machine read a file."""


class BadPEM(ValueError):
    """A file is not the certificate or key that it should be; the message says which."""


@implementer(IOpenSSLServerConnectionCreator)
class ServerCertificate:
    """What a listener shows: the chain of certificates in one file, the key in another.

    The chain begins with the host's own certificate; the authorities between it and the
    root follow.

    :raises BadPEM: a file is not to be read, or the two do not belong together.
    """

    def __init__(self, certificate: Path, key: Path) -> None:
        self._certificate = certificate
        self._key = key
        self._context = self._load()

    def serverConnectionForTLS(self, protocol: Any) -> SSL.Connection:  # noqa: ARG002
        """Begin a connection with what is shown now."""
        return SSL.Connection(self._context, None)

    def reload(self) -> None:
        """Show from now on what the files have; if that is no use, what was shown before."""
        try:
            self._context = self._load()
        except BadPEM as error:
            log.error("The certificate stays as it was: {error}", error=str(error))  # noqa: TRY400 - no traceback
        else:
            log.info("New connections are shown the certificate that is now in {file}",
                     file=str(self._certificate))  # fmt: skip

    def warn(self) -> None:
        """Say so if the key is no secret."""
        if self._key.stat().st_mode & OTHERS:
            log.warn("Every user of this machine can read {file}, the key to the certificate:"
                     " chmod 600", file=str(self._key))  # fmt: skip

    def _load(self) -> SSL.Context:
        own, *chain = _certificates(self._certificate)
        options = CertificateOptions(
            # Twisted's annotations know only pyOpenSSL's own kinds, which are deprecated.
            privateKey=cast("Any", _key(self._key)),
            certificate=cast("Any", own),
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
class OverTLS:
    """An endpoint whose connections speak TLS outside, and inside what their factory does."""

    def __init__(self, endpoint: Any, shown: ServerCertificate) -> None:
        self._endpoint = endpoint
        self._shown = shown

    def listen(self, protocolFactory: IProtocolFactory) -> Deferred[IListeningPort]:
        """Begin to listen."""
        factory = TLSMemoryBIOFactory(self._shown, False, protocolFactory)
        port: Deferred[IListeningPort] = self._endpoint.listen(factory)
        return port


def is_secure(port: IListeningPort) -> bool:
    """Tell whether a port's connections speak TLS."""
    return isinstance(getattr(port, "factory", None), TLSMemoryBIOFactory)


def trust(file: str) -> Any:
    """Return whom a client believes that believes the authorities in a file, and no other.

    :raises BadPEM: the file has none, or is not to be read.
    """
    return trustRootFromCertificates(
        Certificate.load(one.public_bytes(Encoding.DER), crypto.FILETYPE_ASN1)
        for one in _certificates(Path(file))
    )


class CertificateNotTrusted(Exception):
    """The host may be another one; the message says what speaks against it."""


def explained(failure: Failure) -> Failure:
    """Return why a connection failed, in words if it is that the host was not believed."""
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
