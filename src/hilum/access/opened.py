"""What an administrator opened on purpose: types whose read and search are answered without a token.

Only types about nobody in particular can be: definitions, terminology, directories. A type that is not in the table is
refused, so that what a later release adds is closed until somebody has thought of it.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable
from typing import Final

from hilum.access.ledger import Ledger
from hilum.access.policy import Grant, Policy, Principal
from hilum.access.shared import SHARED
from hilum.fhir.definitions import TYPE_NUMBER
from hilum.oauth.ledger import SETTING, Lost, Put, Record, Row, read, write
from hilum.problems import Conflict, Invalid

OPENABLE: Final = frozenset((
    # Definitions. https://hl7.org/fhir/R4/resourcelist.html
    "ActivityDefinition", "CapabilityStatement", "ChargeItemDefinition", "CompartmentDefinition", "DeviceDefinition",
    "EffectEvidenceSynthesis", "EventDefinition", "Evidence", "EvidenceVariable", "ExampleScenario", "GraphDefinition",
    "ImplementationGuide", "Library", "Measure", "MessageDefinition", "ObservationDefinition", "OperationDefinition",
    "PlanDefinition", "Questionnaire", "ResearchDefinition", "ResearchElementDefinition", "RiskEvidenceSynthesis",
    "SearchParameter", "SpecimenDefinition", "StructureDefinition", "StructureMap", "TerminologyCapabilities",
    "TestScript",
    # Terminology.
    "CodeSystem", "ConceptMap", "NamingSystem", "ValueSet",
    # Directories.
    "Endpoint", "HealthcareService", "InsurancePlan", "Location", "Organization", "OrganizationAffiliation",
    "Practitioner", "PractitionerRole", "ResearchStudy", "Slot",
    # Medicines and substances.
    "CatalogEntry", "Medication", "MedicationKnowledge", "MedicinalProduct", "MedicinalProductAuthorization",
    "MedicinalProductContraindication", "MedicinalProductIndication", "MedicinalProductIngredient",
    "MedicinalProductInteraction", "MedicinalProductManufactured", "MedicinalProductPackaged",
    "MedicinalProductPharmaceutical", "MedicinalProductUndesirableEffect", "Substance", "SubstanceNucleicAcid",
    "SubstancePolymer", "SubstanceProtein", "SubstanceReferenceInformation", "SubstanceSourceMaterial",
    "SubstanceSpecification",
))  # fmt: skip
"""Types that may be opened."""
INTERACTIONS: Final = frozenset(("read", "search-type"))
"""What of them is answered: the present versions, not what was taken back since."""
KEY: Final = b"open"
"""Of the record."""
_ROUNDS: Final = 5


class Setting(Record, frozen=True, omit_defaults=True):
    """The record: the types that are open."""

    types: tuple[str, ...] = ()


class Opened:
    """As this process knows it. Nothing is open until `learn` was told so, and nothing after `fresh` (`monotonic`): a
    process that can't learn that something was closed must not go on answering.
    """

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._who: Principal | None = None
        self.types: tuple[str, ...] = ()
        self.fresh = math.inf

    def learn(self, rows: Iterable[Row]) -> None:
        """Take in records of settings: all of them, or what has changed."""
        for row in rows:
            if row.key == KEY:
                self.types = tuple(type for type in read(row, Setting).types if type in OPENABLE)
                self._who = Principal("anyone", "anonymous", "", _policy(self.types), 1 << 62) if self.types else None

    def who(self, type: str, interaction: str) -> Principal | None:
        """Who asks without a token, where that is answered; None where it is not."""
        if self._who is None or type not in self.types or interaction not in INTERACTIONS:
            return None
        return self._who if self._monotonic() <= self.fresh else None


def refusal(type: str) -> str | None:
    """Why a type can't be opened; None when it can."""
    if type not in TYPE_NUMBER:
        return f"{type[:64]!r} is no resource type of FHIR R4."
    if type not in OPENABLE:
        return (
            f"{type} can't be opened: it is about people or says who did what. Definitions, terminology and "
            "directories can be, such as ValueSet or Organization."
        )
    return None


async def types(ledger: Ledger) -> tuple[str, ...]:
    """The types that are open, by name. Raises Busy."""
    row = await ledger.get(SETTING, KEY)
    return read(row, Setting).types if row is not None else ()


async def change(ledger: Ledger, *, opened: Iterable[str] = (), closed: Iterable[str] = ()) -> tuple[str, ...]:
    """Open and close these types; all that are open then. Raises Invalid, Conflict, Busy."""
    opened = tuple(opened)
    for type in opened:
        if reason := refusal(type):
            raise Invalid(reason)
    for _ in range(_ROUNDS):
        row = await ledger.get(SETTING, KEY)
        before = read(row, Setting).types if row is not None else ()
        now = tuple(sorted({*before, *opened}.difference(closed)))
        put = Put(SETTING, KEY, write(Setting(now)), version=None if row is None else row.version)
        try:
            await ledger.many([put])
        except Lost:
            continue
        return now
    raise Conflict("What is open is being changed by somebody else at the same moment. Try again.")


def _policy(some: Iterable[str]) -> Policy:
    return Policy(tuple(Grant(type, frozenset("rs"), None, SHARED.get(type, ())) for type in some))
