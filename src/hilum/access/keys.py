"""The root key of one environment: a file in the data directory. It signs access tokens, and other keys' secrets are
derived from it (`hilum.access.seal`).

https://www.rfc-editor.org/rfc/rfc7517 (JWK). Who can read the file can mint tokens, so only its owner may. The file is
written whole under another name and then linked to its own, so that of several processes that start at once exactly one
makes the key, and nobody ever reads half of one.
"""

from __future__ import annotations

import os
import secrets
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
from joserfc.jwk import ECKey

from hilum.oauth import jwt
from hilum.problems import Misconfigured


@dataclass(frozen=True, slots=True)
class SigningKey:
    """The private key of one environment (`sandbox` or `production`); `kid` is its thumbprint."""

    environment: str
    kid: str
    key: ECKey = field(repr=False)


class _File(msgspec.Struct):
    environment: str
    key: dict[str, str]


def path(directory: Path, environment: str) -> Path:
    """Where the key of this environment is kept."""
    return directory / f"signing-key.{environment}.json"


def load_or_create(directory: Path, environment: str) -> SigningKey:
    """The signing key of this environment; made when there is none yet.

    Raises Misconfigured when the file is not sound, is of another environment, or others may read it.
    """
    file = path(directory, environment)
    if not file.exists():
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        _create(file, msgspec.json.encode(_File(environment, jwt.new_key())))
    return load(file, environment)


def load(file: Path, environment: str) -> SigningKey:
    """Read a key file. Raises Misconfigured as `load_or_create` does, and when the file is missing."""
    try:
        with file.open("rb") as stream:
            mode = os.fstat(stream.fileno()).st_mode
            raw = stream.read()
    except OSError as error:
        raise Misconfigured(f"The signing key {file} can't be read: {error.strerror}.") from None
    if os.name == "posix" and mode & 0o077:
        raise Misconfigured(f"Others than its owner may read the signing key {file}: run chmod 600 on it.")
    try:
        found = msgspec.json.decode(raw, type=_File)
        key = jwt.import_key(dict(found.key))
    except (msgspec.DecodeError, UnicodeDecodeError, jwt.NotVerified):
        raise Misconfigured(f"{file} is not a signing key of hilum. Move it away to have a new one made.") from None
    if found.environment != environment:
        raise Misconfigured(f"The signing key {file} is of the environment {found.environment!r}, not {environment!r}.")
    kid = key.thumbprint()
    if not isinstance(key, ECKey) or not key.is_private or found.key.get("kid") != kid:
        raise Misconfigured(f"{file} is not a signing key of hilum. Move it away to have a new one made.")
    return SigningKey(environment, kid, key)


def prepared(directory: Path, environment: str) -> SigningKey:
    """The key that is to take the place of this environment's, in a file beside it; made when there is none yet."""
    file = _next(directory, environment)
    if not file.exists():
        _create(file, msgspec.json.encode(_File(environment, jwt.new_key())))
    return load(file, environment)


def is_prepared(directory: Path, environment: str) -> bool:
    """Whether there is such a file: a rotation was begun, and is not done."""
    return _next(directory, environment).exists()


def replace(directory: Path, environment: str) -> None:
    """Put the prepared key in the place of the one that there is, whose file is gone then."""
    _next(directory, environment).replace(path(directory, environment))
    _flush(directory)


def _next(directory: Path, environment: str) -> Path:
    return directory / f"signing-key.{environment}.next.json"


def _create(file: Path, raw: bytes) -> None:
    draft = file.with_name(f".{file.name}.{secrets.token_hex(8)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(raw)
            stream.flush()
            os.fsync(stream.fileno())
        try:
            os.link(draft, file)
        except FileExistsError:
            return  # another process was first: its key is the key
    finally:
        draft.unlink()
    _flush(file.parent)


def _flush(directory: Path) -> None:
    if os.name == "posix":
        folder = os.open(directory, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
