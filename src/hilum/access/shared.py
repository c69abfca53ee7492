"""What a token that is bound to a patient may see beyond that patient's compartment: by name, not by looking.

https://hl7.org/fhir/R4/compartmentdefinition-patient.html lists what lies in a record. What it refers to (who treated,
where, with what) is about nobody in particular and needed to read it, so that it may be fetched by id, included and
chained to, but never listed: an app of a patient has no business with a directory of staff. Whether such a resource is
seen depends on nothing hidden, so that nothing can be inferred from it.
"""

from __future__ import annotations

from typing import Final

from hilum.oauth.scopes import Search

BELONGS: Final[dict[str, tuple[str, frozenset[str]]]] = {
    "Contract": ("patient", frozenset("rs")),  # it may have several subjects, so that a write could reach another's
    "Device": ("patient", frozenset("cruds")),
    "GuidanceResponse": ("patient", frozenset("cruds")),
    "Task": ("patient", frozenset("cruds")),
}
"""Types that are about a patient without being in the compartment of R4: the search parameter that says about whom,
and the interactions for which it is enough.
"""

SHARED: Final[dict[str, Search]] = {
    "Endpoint": (),
    "HealthcareService": (),
    "Location": (("type:not", "PTRES"),),  # a patient's residence
    "Medication": (),
    "MedicationKnowledge": (),
    "Organization": (),
    "OrganizationAffiliation": (),
    "Practitioner": (),
    "PractitionerRole": (),
    "Substance": (),
}
"""Types that records refer to, and which of their resources are meant. https://hl7.org/fhir/us/core/general-guidance.html"""

NAMED_BY_URL: Final = (
    "ActivityDefinition",
    "CodeSystem",
    "Library",
    "Measure",
    "PlanDefinition",
    "Questionnaire",
    "StructureDefinition",
    "ValueSet",
)
"""Definitions: the same, and `url=` is a name, too. https://hl7.org/fhir/R4/references.html#canonical"""

BY_NAME: Final = (*SHARED, *NAMED_BY_URL)
"""All types of which a bound token sees what it can name, unless a role says otherwise (`shared`)."""
