"""Key pairs by which hilum proves to an EHR who it is, and their files: PEM, X.509 and JWK.

https://hl7.org/fhir/smart-app-launch/client-confidential-asymmetric.html#registering-a-client-communicating-public-keys,
https://www.rfc-editor.org/rfc/rfc7468 (PEM: PKCS#1, PKCS#8 and SEC 1), https://www.rfc-editor.org/rfc/rfc5280 (X.509)
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import SECP384R1, EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.hashes import SHA384
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key
from cryptography.x509.oid import NameOID
from joserfc.jwk import ECKey, RSAKey

from hilum.oauth.jwt import RSA_BITS, Key
from hilum.oauth.keyset import KEY_TYPE, Unfit, usable
from hilum.problems import Invalid

ALGORITHMS: Final = tuple(KEY_TYPE)
"""RS384 and ES384: a server takes one of them at least, so that a client has to know both (SMART, same page)."""

CERTIFICATE_DAYS: Final = 3650
"""A portal judges the key by the registration, not by the certificate around it: one that ended would only stop us."""

LONGEST: Final = 64 * 1024
"""Characters of a file with a key and its certificates."""

_BITS: Final = range(2048, 8193)
_BLOCK: Final = re.compile(r"-----BEGIN ([A-Z0-9 ]{1,40})-----(?:[^-]|-(?!----))+-----END \1-----")
_PRIVATE: Final = ("PRIVATE KEY", "ENCRYPTED PRIVATE KEY", "RSA PRIVATE KEY", "EC PRIVATE KEY")
_CERTIFICATE: Final = "CERTIFICATE"
_UNREADABLE: Final = (ValueError, TypeError, UnsupportedAlgorithm)
"""What cryptography raises over text that somebody made up."""


@dataclass(frozen=True, slots=True)
class Pair:
    """A private key and what others may know of it. `certificate`: PEM, where one came along; it is of this key."""

    alg: str
    key: Key = field(repr=False)
    certificate: str = ""

    @property
    def kid(self) -> str:
        """The thumbprint, RFC 7638."""
        return self.key.thumbprint()

    @property
    def public(self) -> dict[str, Any]:
        """The public half, as it is published: a bare JWK, without certificates."""
        return {**self.key.as_dict(private=False), "kid": self.kid, "alg": self.alg, "use": "sig"}


def made(alg: str) -> Pair:
    """A new pair. An RSA key takes a second. Raises Invalid for an algorithm that there is not."""
    known(alg)
    return Pair(alg, RSAKey.generate_key(RSA_BITS) if alg == "RS384" else ECKey.generate_key("P-384"))


def known(alg: str) -> None:
    """Raises Invalid for an algorithm that client keys are not made for."""
    if alg not in ALGORITHMS:
        raise Invalid(f"There are client keys for {' and '.join(ALGORITHMS)}; {alg[:32]!r} is neither.")


def opened(alg: str, jwk: Mapping[str, Any]) -> Pair:
    """A pair of ours, from its private JWK."""
    return Pair(alg, (RSAKey if alg == "RS384" else ECKey).import_key(dict(jwk)))


def read(text: str, passphrase: str = "", *, now: float) -> Pair:
    """The pair of a PEM text: one private key, and perhaps certificates, of which one must be the key's.

    `\\n` may stand for the ends of lines, as in variables of the environment. `now`: seconds since 1970. Raises Invalid
    when it is no such text, and for a key that is too weak, too costly or of a kind that no EHR has to take.
    """
    blocks = _blocks(text)
    private = [(label, block) for label, block in blocks if label.endswith("PRIVATE KEY")]
    if len(private) != 1:
        raise Invalid(
            f"A PEM text with one private key was expected, and {len(private)} were found. "
            "`openssl pkey -inform DER -in FILE` writes one from a DER file, `openssl pkcs12 -nodes -in FILE` from PFX."
        )
    alg, key = _key(*private[0], passphrase)
    of_it = [block for label, block in blocks if label == _CERTIFICATE]
    return Pair(alg, key, _certificate(of_it, key, now) if of_it else "")


def self_signed(pair: Pair, environment: str, now: float) -> str:
    """A certificate for portals that want a file, as PEM. It says nothing but whose key this is."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"hilum {environment} {pair.kid}")])
    begins = datetime.fromtimestamp(int(now), UTC)
    key = pair.key.private_key
    assert isinstance(key, RSAPrivateKey | EllipticCurvePrivateKey)
    usage = dict.fromkeys(_USAGES, False) | {"digital_signature": True}
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begins)
        .not_valid_after(begins + timedelta(days=CERTIFICATE_DAYS))
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.KeyUsage(**usage), critical=True)
        .sign(key, SHA384())
        .public_bytes(Encoding.PEM)
        .decode()
    )


_USAGES: Final = (
    "digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement",
    "key_cert_sign", "crl_sign", "encipher_only", "decipher_only",
)  # fmt: skip


def public_pem(public: Mapping[str, Any]) -> str:
    """A public JWK as PEM (SubjectPublicKeyInfo)."""
    return usable(public).as_pem(private=False).decode()


def _blocks(text: str) -> list[tuple[str, str]]:
    """Label and text of each block of PEM; what stands around them is nobody's concern (RFC 7468, 2)."""
    if len(text) > LONGEST:
        raise Invalid(f"A file with a key has at most {LONGEST // 1024} KiB.")
    plain = text.replace("\\r", "").replace("\\n", "\n")
    return [(found[1], found[0] + "\n") for found in _BLOCK.finditer(plain)]


def _key(label: str, block: str, passphrase: str) -> tuple[str, Key]:
    if label not in _PRIVATE:
        raise Invalid(f"A key in PKCS#8, PKCS#1 or SEC 1 was expected; this one is {label!r}. See `openssl pkcs8`.")
    locked = label.startswith("ENCRYPTED") or "Proc-Type: 4,ENCRYPTED" in block
    if locked and not passphrase:
        raise Invalid("The private key is encrypted: its passphrase is needed.")
    secret = passphrase.encode() if locked else None

    def loaded(*, believed: bool) -> object:
        try:
            return load_pem_private_key(block.encode(), secret, unsafe_skip_rsa_key_validation=believed)
        except _UNREADABLE:
            hint = "it is damaged, or has another passphrase" if locked else "it is damaged, or of an unknown kind"
            raise Invalid(f"The private key can't be read: {hint}.") from None

    found = loaded(believed=True)  # whether the primes of a long one are primes takes minutes to find out
    if isinstance(found, RSAPrivateKey):
        if found.key_size not in _BITS:
            raise Invalid(
                f"The RSA key has {found.key_size} bits; {_BITS[0]} to {_BITS[-1]} are taken. Shorter ones are too "
                "weak (RFC 7518, 3.3), longer ones too slow to verify with."
            )
        loaded(believed=False)
        return "RS384", _usable(RSAKey.import_key(found))
    if isinstance(found, EllipticCurvePrivateKey):
        if not isinstance(found.curve, SECP384R1):
            raise Invalid(f"The EC key is on the curve {found.curve.name}; ES384 needs P-384 (secp384r1).")
        return "ES384", _usable(ECKey.import_key(found))
    raise Invalid("The key is neither an RSA key nor an EC key on P-384: EHRs take RS384 and ES384.")


def _usable(key: Key) -> Key:
    """The key, if those who verify with its public half would take it."""
    try:
        usable(key.as_dict(private=False))
    except Unfit as unfit:
        raise Invalid(str(unfit)) from None
    return key


def _certificate(blocks: Sequence[str], key: Key, now: float) -> str:
    """That of the key, out of a chain."""
    assert key.private_key is not None
    ours = key.private_key.public_key()
    for block in blocks:
        try:
            found = x509.load_pem_x509_certificate(block.encode())
            its = found.public_key()
        except _UNREADABLE:
            raise Invalid("A certificate beside the private key can't be read: it is damaged.") from None
        if its == ours:
            if found.not_valid_after_utc.timestamp() <= now:
                raise Invalid("The certificate has ended: leave it away, and one is made for the key, or renew it.")
            return found.public_bytes(Encoding.PEM).decode()
    raise Invalid("The certificate is of another key: its public half is not that of the private key.")
