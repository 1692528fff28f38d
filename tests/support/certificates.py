"""Certificates of an authority of our own, as files."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

DAY = timedelta(days=1)


class Pair(NamedTuple):
    """The files of a certificate (with the chain behind it) and of its key."""

    certificate: Path
    key: Path

    @property
    def options(self) -> tuple[str, ...]:
        return ("--tls-cert", str(self.certificate), "--tls-key", str(self.key))


class Authority:
    """An authority, itself signed by `issuer`; `file` is what those have who believe it."""

    def __init__(self, place: Path, name: str, issuer: Authority | None = None) -> None:
        self.place = place
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.issuer = issuer
        self.name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
        self.certificate = self._sign(self.name, self.key, issuer, ca=True)
        self.file = place / f"{name}.pem"
        self.file.write_bytes(pem(self.certificate))

    def issue(self, *names: str, file: str = "host", until: timedelta = DAY) -> Pair:
        """Write a certificate for a host with these names; `until` is how long it is good."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, names[0])])
        own = self._sign(subject, key, self, names=names, until=until)
        pair = Pair(self.place / f"{file}.crt", self.place / f"{file}.key")
        chain = [own, *([self.certificate] if self.issuer else [])]
        pair.certificate.write_bytes(b"".join(map(pem, chain)))
        pair.key.touch(mode=0o600)
        pair.key.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        )
        return pair

    def _sign(
        self,
        subject: x509.Name,
        key: ec.EllipticCurvePrivateKey,
        issuer: Authority | None,
        *,
        ca: bool = False,
        names: tuple[str, ...] = (),
        until: timedelta = DAY,
    ) -> x509.Certificate:
        now = datetime.now(UTC)
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(issuer.name if issuer else subject)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - 2 * DAY)
            .not_valid_after(now + until)
            .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
        )
        if names:
            builder = builder.add_extension(
                x509.SubjectAlternativeName(list(map(_name, names))), critical=False
            )
        return builder.sign(issuer.key if issuer else key, hashes.SHA256())


def pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


def _name(text: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(text))
    except ValueError:
        return x509.DNSName(text)
