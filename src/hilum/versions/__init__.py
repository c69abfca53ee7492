"""FHIR STU3 (3.0) at the edge: bodies of FHIR 4.0 to bodies of FHIR 3.0 and back, without loss or not at all.

https://hl7.org/fhir/R4/versioning.html
"""

from hilum.versions.convert import Refused, down, up
from hilum.versions.schema import xml_of_r3
from hilum.versions.searching import renamed
from hilum.versions.tables import KNOWN_MODIFIERS, TYPES

__all__ = ["KNOWN_MODIFIERS", "TYPES", "Refused", "down", "renamed", "up", "xml_of_r3"]
