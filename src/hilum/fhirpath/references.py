"""What the text of a reference says, without following it. https://hl7.org/fhir/R4/references.html#literal"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

from hilum.fhir.definitions import TYPES

_TYPES: Final = frozenset(TYPES)
LONGEST: Final = 2048
"""Characters of a reference that is looked into, and remembered: a text may have a million."""
_LOCAL = re.compile(r"([A-Za-z]+)/([A-Za-z0-9\-.]{1,64})(?:/_history/[A-Za-z0-9\-.]{1,64})?", re.ASCII)
_REMOTE = re.compile(rf"https?://[^#?]*/{_LOCAL.pattern}", re.ASCII)


def local(reference: str) -> tuple[str, str] | None:
    """(type, id) of a relative reference, a version left off; None for everything else."""
    return _local(reference) if len(reference) <= LONGEST else None


@lru_cache(maxsize=16384)
def _local(reference: str) -> tuple[str, str] | None:
    match = _LOCAL.fullmatch(reference)
    return (match[1], match[2]) if match and match[1] in _TYPES else None


def target_type(reference: str) -> str | None:
    """The resource type that a relative or absolute RESTful reference names; None where its text doesn't tell."""
    return _target_type(reference) if len(reference) <= LONGEST else None


@lru_cache(maxsize=4096)
def _target_type(reference: str) -> str | None:
    match = _LOCAL.fullmatch(reference) or _REMOTE.fullmatch(reference)
    return match[1] if match and match[1] in _TYPES else None
