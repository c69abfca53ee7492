"""URIs: canonical ones are absolute, OIDs and UUIDs are well formed. https://hl7.org/fhir/R4/datatypes.html#uri"""

from __future__ import annotations

import re
from typing import Final

from hilum.validation.profiles.extensions import CANONICAL_TYPES
from hilum.validation.profiles.running import Found, error
from hilum.validation.profiles.walking import Here

ABSOLUTE: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]*:\S+")
_UUID: Final = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_OID: Final = re.compile(r"[0-2](?:\.(?:0|[1-9][0-9]*))+")
_SYSTEMS: Final = ("http:", "https:", "urn:")


def absolute(uri: object) -> bool:
    """Whether a text is a URI with a scheme."""
    return type(uri) is str and ABSOLUTE.fullmatch(uri) is not None


def uri(here: Here) -> Found:
    """`urn:oid:` and `urn:uuid:` are followed by what they say; `oid:` and `uuid:` are no schemes."""
    value = here.item.value
    if type(value) is not str:
        return None
    if value.startswith(("oid:", "uuid:")):
        return error("invalid", "must begin with urn:oid: or urn:uuid:")
    bare = value.partition("#")[0]
    if here.item.kind.name == "canonical":
        bare = bare.partition("|")[0]
    if bare.startswith("urn:uuid:") and not _UUID.fullmatch(bare[9:]):
        return error("invalid", "has a UUID that is not one, in lower case")
    if bare.startswith("urn:oid:"):
        oid = bare[8:]
        if not _OID.fullmatch(oid) or not (oid.rfind(".") >= 4 or oid.startswith("1.3")):
            return error("invalid", "has an OID that is not one")
    return None


def canonical(here: Here) -> Found:
    """A canonical reference is absolute, or leads to something contained. https://hl7.org/fhir/R4/references.html#canonical"""
    value = here.item.value
    if type(value) is not str:
        return None
    if not value.startswith("#") and not absolute(value):
        return error("invalid", "must be an absolute canonical URL, or a fragment such as #id")
    return error("invalid", "must not end in a bar: a version follows it") if value.endswith("|") else None


def defining(here: Here) -> Found:
    """The url of a definition is absolute."""
    above = here.above
    if (
        above is not None
        and here.of is not None
        and here.of.element == "url"
        and above.item.kind.name in CANONICAL_TYPES
        and not above.item.kind.path
        and type(here.item.value) is str
        and not absolute(here.item.value)
    ):
        return error("invalid", "must be absolute: it names this definition everywhere")
    return None


def identifier(here: Here) -> Found:
    """Identifier.system is absolute, and a value of urn:ietf:rfc:3986 is a URI itself."""
    value = here.item.value
    system, given = value.get("system"), value.get("value")
    out: Found = None
    if type(system) is str and not system.startswith((*_SYSTEMS, "ldap:")):
        out = error("code-invalid", "must have an absolute system")
    if system == "urn:ietf:rfc:3986" and type(given) is str and not absolute(given):
        out = (out or []) + error(
            "code-invalid", "has the system urn:ietf:rfc:3986, and a value that is no absolute URI"
        )
    return out


def coding(here: Here) -> Found:
    """Coding.system is absolute, and a code system: not a value set."""
    system = here.item.value.get("system")
    if type(system) is not str:
        return None
    if not system.startswith(_SYSTEMS):
        return error("code-invalid", "must have an absolute system: http:, https: or urn:")
    definitions = here.scope.run.definitions
    if definitions.code_system(system) is None and definitions.value_set(system) is not None:
        return error("code-invalid", f"must have the code system of its code, but names the value set {system}")
    return None
