"""Attachment: size and hash are those of the data. https://hl7.org/fhir/R4/datatypes.html#Attachment"""

from __future__ import annotations

import base64
import binascii
import hashlib

from hilum.validation.profiles.running import Found, error
from hilum.validation.profiles.walking import Here


def attachment(here: Here) -> Found:
    """The stated size, in bytes, and the SHA-1 of the data."""
    value = here.item.value
    data = value.get("data")
    if type(data) is not str:
        return None
    try:
        content = binascii.a2b_base64("".join(data.split()), strict_mode=True)
    except (binascii.Error, ValueError):
        return None  # told where it stands
    out: Found = None
    size, hash_ = value.get("size"), value.get("hash")
    if type(size) is int and size != len(content):
        out = error("structure", f"states a size of {size} bytes, but its data has {len(content)}")
    if type(hash_) is str:
        digest = hashlib.sha1(content, usedforsecurity=False).digest()
        if "".join(hash_.split()) != base64.b64encode(digest).decode():
            out = (out or []) + error("structure", "has a hash that is not the SHA-1 of its data")
    return out
