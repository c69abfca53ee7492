"""What an evaluation may ask of the world: functions that the caller hands in. Pure: nothing is fetched from here.

https://hl7.org/fhir/R4/fhirpath.html#functions
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What is asked for but missing gives an empty collection, never a guess.

    `resolve`: the text of a reference to a resource's body. `member_of`: a code, Coding or CodeableConcept, and the
    url of a value set. `subsumes`: two of those, whether the first subsumes the second. `conforms_to`: a body and the
    url of a profile. `html_checks`: the text of a narrative's div. `now`: what `now()` and `today()` say; without it
    they are refused. `variables`: environment variables by name, without the percent sign.
    """

    resolve: Callable[[str], dict[str, Any] | None] | None = None
    member_of: Callable[[Any, str], bool | None] | None = None
    subsumes: Callable[[Any, Any], bool | None] | None = None
    conforms_to: Callable[[dict[str, Any], str], bool | None] | None = None
    html_checks: Callable[[str], bool] | None = None
    now: datetime | None = None
    variables: Mapping[str, Any] = field(default_factory=dict)


ALONE: Final = Surroundings()
