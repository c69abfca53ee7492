"""FHIRPath: text to syntax tree, and the tree compiled once to closures over plain JSON. https://hl7.org/fhirpath/N1"""

from hilum.fhirpath.evaluate import Condition, compile, condition, locate, static_types
from hilum.fhirpath.functions import outside
from hilum.fhirpath.nodes import Node
from hilum.fhirpath.parser import parse
from hilum.fhirpath.surroundings import ALONE, Surroundings
from hilum.fhirpath.work import Work

__all__ = [
    "ALONE",
    "Condition",
    "Node",
    "Surroundings",
    "Work",
    "compile",
    "condition",
    "locate",
    "outside",
    "parse",
    "static_types",
]
