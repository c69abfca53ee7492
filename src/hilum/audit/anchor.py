"""Anchors: how far the chains had come, each sealed onto the one before, signed by a key that is not in the database.

ES256 over the digest, as DER: https://www.rfc-editor.org/rfc/rfc7518#section-3.4 has the curve and the hash.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from hashlib import sha256
from typing import Protocol

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from joserfc.jwk import ECKey

from hilum.access.keyring import Keyring
from hilum.problems import Misconfigured
from hilum.store.segments import CHECKPOINT, READ_HEADS, WRITE_HEADS, About, Anchor, Cut, Head, Seal, SealCut

_HASHED = ec.ECDSA(SHA256())


class Told(msgspec.Struct, frozen=True, omit_defaults=True):
    """What the body of an anchor says: heads of chains, (process in hex, how far, link in hex).

    Of a segment also `about`: the digest of what it is found by, in hex.
    Of what was pruned also: `before` (microseconds), how many `segments` and `rows`, and why, or where the archive is.
    """

    heads: tuple[tuple[str, int, str], ...] = ()
    writes: tuple[tuple[str, int, str], ...] = ()
    before: int = 0
    segments: int = 0
    rows: int = 0
    why: str = ""
    about: str = ""


def listed(heads: Iterable[Head]) -> tuple[tuple[str, int, str], ...]:
    """Heads as a body has them."""
    return tuple((head.process.hex(), head.at, head.link.hex()) for head in heads)


def subjects(about: Iterable[About]) -> str:
    """The digest of what a segment is found by: who took some of it away would hide the segment from searches."""
    return sha256(msgspec.msgpack.encode(sorted(set(about)))).hexdigest()


def told(anchor: Anchor) -> Told:
    """What an anchor says. Raises msgspec.DecodeError."""
    return msgspec.json.decode(anchor.body, type=Told)


def kind(said: Told) -> int:
    """What an anchor is by what was signed. `Anchor.kind` has it, too, but who has the database can write that anew."""
    if said.before or said.why:
        return CHECKPOINT
    return READ_HEADS if said.heads else WRITE_HEADS


def digest(previous: bytes, body: bytes) -> bytes:
    """What is signed."""
    return sha256(previous + body).digest()


class Signer(Protocol):
    """Signs anchors, and tells whether a signature holds."""

    def sign(self, digest: bytes) -> tuple[bytes, str]:
        """(signature, kid)."""
        ...

    def holds(self, kid: str, digest: bytes, signature: bytes) -> bool:
        """Whether the key of that id, however old, signed this."""
        ...


class RingSigner:
    """By the `audit` keys of the ring."""

    def __init__(self, ring: Keyring) -> None:
        self._ring = ring

    def sign(self, digest: bytes) -> tuple[bytes, str]:
        """By the key that signs now."""
        one = self._ring.signer("audit")
        private = one.key.private_key if isinstance(one.key, ECKey) else None
        if not isinstance(private, ec.EllipticCurvePrivateKey):
            raise Misconfigured("The key for 'audit' in the ledger is none that anchors are signed with.")
        return private.sign(digest, _HASHED), one.kid

    def holds(self, kid: str, digest: bytes, signature: bytes) -> bool:
        """By any that ever signed."""
        key = self._ring.anchoring(kid)
        public = key.public_key if isinstance(key, ECKey) else None
        if not isinstance(public, ec.EllipticCurvePublicKey):
            return False
        try:
            public.verify(signature, digest, _HASHED)
        except InvalidSignature:
            return False
        return True


def sealing(signer: Signer, kind: int, said: Told) -> Seal:
    """What a store calls with the newest anchor, within the transaction that keeps the next one."""
    body = msgspec.json.encode(said)

    def seal(newest: Anchor | None) -> Anchor:
        n, previous = (newest.n + 1, newest.digest) if newest else (1, b"")
        made = digest(previous, body)
        return Anchor(n, time.time_ns() // 1000, kind, body, previous, made, *signer.sign(made))

    return seal


def cutting(signer: Signer, why: str) -> SealCut:
    """The same for a pruning. `why`: where the archive is, or the reason there is none."""

    def seal(newest: Anchor | None, cut: Cut) -> Anchor:
        said = Told(listed(cut.reads), listed(cut.writes), cut.before, cut.segments, cut.rows, why)
        return sealing(signer, CHECKPOINT, said)(newest)

    return seal


def faults(anchors: Sequence[Anchor], before: Anchor | None, signer: Signer) -> list[str]:
    """What is wrong with anchors that follow each other, the first of them `before` (None: it is the very first)."""
    found: list[str] = []
    n, previous = (before.n, before.digest) if before else (0, b"")
    for one in anchors:
        if one.n != n + 1:
            found.append(f"anchor {n + 1}{f' to {one.n - 1}' if one.n > n + 2 else ''}: removed")
        elif one.previous != previous:
            found.append(f"anchor {one.n}: does not stand on the one before")
        if one.digest != digest(one.previous, one.body):
            found.append(f"anchor {one.n}: altered")
        elif not signer.holds(one.kid, one.digest, one.signature):
            found.append(f"anchor {one.n}: not signed by a key of this server")
        n, previous = one.n, one.digest
    return found
