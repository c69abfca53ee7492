"""The data directory: made private, held to one environment. docs/reference/data-directory.md lists what is in it."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec

from hilum.app.settings import Settings
from hilum.problems import Misconfigured

STAMP = "environment"
"""The file that says to which environment the directory belongs, and that it is one of hilum's."""


class Serving(msgspec.Struct, frozen=True):
    """`serving.json`: where the newest `hilum serve` on this directory listens, for `hilum token` to aim at."""

    fhir_base: str


def prepare(settings: Settings) -> Path:
    """The data directory, made with mode 0700 when missing and stamped with its environment.

    Raises Misconfigured when it belongs to another environment, or can't be made.
    """
    folder = settings.data
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        stamp = folder / STAMP
        if not stamp.exists():
            write_private(stamp, settings.environment.encode() + b"\n")
        found = stamp.read_text().strip()
    except OSError as error:
        raise Misconfigured(
            f"The data directory {folder} can't be used: {error.strerror}. Choose another with --data."
        ) from None
    if found != settings.environment:
        raise Misconfigured(
            f"The data directory {folder} belongs to the environment {found!r}, not {settings.environment!r}. "
            f"Environments never share keys or stores: use --env {found}, or another --data."
        )
    return folder


def known(settings: Settings) -> Path:
    """The data directory, which must be there already: a mistyped one must not become a new one.

    Raises Misconfigured when it is none, and as `prepare`.
    """
    if not (settings.data / STAMP).is_file():
        raise Misconfigured(
            f"There is no hilum data directory {settings.data.absolute()}. Name the one of your server with --data; "
            "`hilum serve` makes a new one."
        )
    return prepare(settings)


def note_serving(settings: Settings) -> None:
    """Remember where this server is reached. Raises Misconfigured when the data directory can't be written."""
    try:
        write_private(settings.data / "serving.json", msgspec.json.encode(Serving(settings.fhir_base)) + b"\n")
    except OSError as error:
        raise Misconfigured(
            f"The data directory {settings.data} can't be written: {error.strerror}. Make room, or see who owns it."
        ) from None


def served_at(settings: Settings) -> str:
    """The FHIR base that clients of this data directory use: as set, or of the newest `hilum serve`, or the default."""
    if settings.base_url:
        return settings.fhir_base
    try:
        return msgspec.json.decode((settings.data / "serving.json").read_bytes(), type=Serving).fhir_base
    except (OSError, msgspec.DecodeError):
        return settings.fhir_base


def write_private(path: Path, content: bytes) -> None:
    """Write a file that only its owner can read, whole or not at all."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
