"""Which place for blobs a setting means: the one place that knows them all."""

from __future__ import annotations

from pathlib import Path

from hilum.app.settings import Settings
from hilum.oauth.keeping import Ledger
from hilum.problems import Misconfigured
from hilum.store.blobs import claim
from hilum.store.blobs.blob import Blobs
from hilum.store.blobs.folder import FolderBlobs

FOLDER = "blobs"


def place(settings: Settings) -> Blobs:
    """Where the content of large Binaries is. Raises Misconfigured."""
    if settings.blobs.startswith("s3://"):
        try:
            from hilum.store.blobs.s3 import S3Blobs
        except ImportError:
            raise Misconfigured("--blobs s3://... needs the extra: pip install 'hilum[s3]'.") from None
        return S3Blobs.at(settings.blobs)
    if "://" in settings.blobs:
        raise Misconfigured("--blobs must be a folder, or s3://bucket/prefix.")
    return FolderBlobs(Path(settings.blobs).expanduser() if settings.blobs else settings.data / FOLDER)


async def open_blobs(settings: Settings, ledger: Ledger) -> Blobs:
    """The same, once it is known to be that of this store. Raises Misconfigured, Busy."""
    found = place(settings)
    await claim.check(found, ledger)
    return found
