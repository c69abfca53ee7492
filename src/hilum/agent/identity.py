"""What an agent is: its key, which never leaves the machine, and what it was enrolled as.

`key.pem` is a private key for ES384, `identity.json` the rest; both are for their owner alone and are replaced as a
whole. The key signs assertions: https://hl7.org/fhir/smart-app-launch/client-confidential-asymmetric.html
"""

from __future__ import annotations

import os
import secrets
from base64 import urlsafe_b64encode
from dataclasses import dataclass, field, fields
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

import msgspec
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from hilum import __version__
from hilum.phd.reading import Device
from hilum.problems import Misconfigured

KEY: Final = "key.pem"
FILE: Final = "identity.json"
SETTINGS: Final = "agent.toml"
CA: Final = "ca.pem"
_BYTES: Final = 48
"""Of a coordinate of P-384."""


@dataclass(frozen=True, slots=True)
class Identity:
    """`folder`: the agent's data. `system_id`: its EUI-64. `client_id`: "" of one that signs in nowhere.

    `issuer`: the far side's name for itself. `fhir`: its FHIR base. `gateway`: where `/devices` is, "" without one.
    `envelope`: the public JWK that bundles are sealed for. `management`, `registration`: where it may end its own
    registration, and the secret for that (RFC 7592).
    """

    folder: Path
    key: ec.EllipticCurvePrivateKey = field(repr=False)
    system_id: str = ""
    name: str = ""
    client_id: str = ""
    token_endpoint: str = ""
    scope: str = ""
    issuer: str = ""
    fhir: str = ""
    gateway: str = ""
    envelope: dict[str, Any] | None = None
    management: str = ""
    registration: str = field(default="", repr=False)

    @property
    def jwk(self) -> dict[str, str]:
        """The public key. `kid`: its thumbprint (RFC 7638)."""
        numbers = self.key.public_key().public_numbers()
        bare = {
            "crv": "P-384",
            "kty": "EC",
            "x": base64url(numbers.x.to_bytes(_BYTES, "big")),
            "y": base64url(numbers.y.to_bytes(_BYTES, "big")),
        }
        kid = base64url(sha256(msgspec.json.encode(bare, order="sorted")).digest())
        return bare | {"kid": kid, "use": "sig", "alg": "ES384"}

    @property
    def device(self) -> Device:
        """The agent as a device: HL7's guide calls it a personal health gateway."""
        return Device(self.system_id, name=self.name, manufacturer="hilum", model="hilum agent", software=__version__)

    def sign(self, claims: dict[str, Any]) -> str:
        """The compact JWT of these claims, by ES384 (RFC 7518, 3.4)."""
        head = {"alg": "ES384", "kid": self.jwk["kid"], "typ": "JWT"}
        text = f"{base64url(msgspec.json.encode(head))}.{base64url(msgspec.json.encode(claims))}"
        r, s = decode_dss_signature(self.key.sign(text.encode(), ec.ECDSA(hashes.SHA384())))
        return f"{text}.{base64url(r.to_bytes(_BYTES, 'big') + s.to_bytes(_BYTES, 'big'))}"


def base64url(raw: bytes) -> str:
    """Without padding (RFC 7515, 2)."""
    return urlsafe_b64encode(raw).rstrip(b"=").decode()


def made(folder: Path, name: str = "") -> Identity:
    """That of the folder; where there is none, a new one with a new key. Raises Misconfigured."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if (folder / FILE).exists():
        return read(folder)
    if not (folder / KEY).exists():
        key = ec.generate_private_key(ec.SECP384R1())
        pem = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        written(folder / KEY, pem, anew=True)
    identity = Identity(folder, _key(folder), system_id=_eui_64(), name=name)
    save(identity)
    return identity


def read(folder: Path) -> Identity:
    """What was saved there. Raises Misconfigured."""
    try:
        found = msgspec.json.decode((folder / FILE).read_bytes(), type=dict[str, Any])
    except FileNotFoundError:
        raise Misconfigured(f"There is no agent in {folder} yet: run `hilum agent enroll URL` first.") from None
    except (OSError, msgspec.DecodeError):
        raise Misconfigured(f"{folder / FILE} can't be read: restore it, or enroll anew in an empty folder.") from None
    known = {one.name for one in fields(Identity)} - {"folder", "key"}
    texts = {name: value for name, value in found.items() if name in known and name != "envelope"}
    envelope = found.get("envelope")
    if not all(isinstance(value, str) for value in texts.values()) or not isinstance(envelope, dict | None):
        raise Misconfigured(f"{folder / FILE} is not what the agent wrote: restore it, or enroll anew.")
    return Identity(folder, _key(folder), envelope=envelope, **texts)


def save(identity: Identity) -> None:
    """All but the key."""
    kept = {one.name: getattr(identity, one.name) for one in fields(identity) if one.name not in ("folder", "key")}
    text = msgspec.json.format(msgspec.json.encode({name: value for name, value in kept.items() if value}))
    written(identity.folder / FILE, text + b"\n")


def written(path: Path, content: bytes, *, anew: bool = False) -> None:
    """Write a file for its owner alone: whole or not at all, on disk when this returns. `anew`: never in place of one
    that is there (FileExistsError).
    """
    beside = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        if anew:
            os.link(beside, path)
            beside.unlink()
        else:
            beside.replace(path)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _key(folder: Path) -> ec.EllipticCurvePrivateKey:
    path = folder / KEY
    try:
        if os.name == "posix" and path.stat().st_mode & 0o077:
            raise Misconfigured(f"{path} can be read by others: chmod 600 it, and enroll anew if it was read.")
        key = serialization.load_pem_private_key(path.read_bytes(), None)
    except (OSError, ValueError, TypeError, UnsupportedAlgorithm):
        raise Misconfigured(f"{path} can't be read as a private key: restore it, or enroll anew.") from None
    if not isinstance(key, ec.EllipticCurvePrivateKey) or not isinstance(key.curve, ec.SECP384R1):
        raise Misconfigured(f"{path} is no key of P-384: restore it, or enroll anew.")
    return key


def _eui_64() -> str:
    """By chance, and marked as locally administered: a copied machine's address would not tell agents apart, and says
    more than it must.
    """
    octets = bytearray(secrets.token_bytes(8))
    octets[0] = octets[0] & 0xFC | 0x02
    return "-".join(f"{octet:02X}" for octet in octets)
