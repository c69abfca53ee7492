"""FHIR XML in and out; the value between is the body that FHIR's JSON has. https://hl7.org/fhir/R4/xml.html

Driven by the definitions, both ways, and lossless against JSON: decimals keep their digits, narratives every character.
"""

from hilum.fhir.xml.reading import parse, read
from hilum.fhir.xml.writing import encode

__all__ = ["encode", "parse", "read"]
