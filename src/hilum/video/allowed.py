"""Who may do what with videos, by the token's own policy.

A video is a Task, which lies in no patient's record, and a DocumentReference, which does once it is approved. Who sees
all Tasks sees those videos whose document would be theirs to read; who does not, an app that is bound to a patient for
one, sees what is in the patient's record: the approved ones.
"""

from __future__ import annotations

from typing import Final

from hilum.access.policy import EVERYTHING, Principal, allows
from hilum.access.roles import Roles
from hilum.access.tokens import CLI
from hilum.fhir.task import TASK
from hilum.interactions.permit import permits, unlimited
from hilum.problems import Forbidden
from hilum.search.index import index
from hilum.search.rows import Rows
from hilum.video.files import DOCUMENTS
from hilum.video.shown import VIDEO
from hilum.video.sources import BESIDE, TYPES

STAFF: Final = "any"
"""What `picks` of a role says whose people may approve: those who may choose any patient for an app."""


def sees_tasks(who: Principal) -> bool:
    """Whether the Tasks of all videos may be read."""
    return unlimited(who.policy.permits(TASK, "r"))


def covers(who: Principal, letter: str, video: str, patient: str) -> bool:
    """Whether this may be done with the document of a video of this patient, also before there is one."""
    body = {
        "resourceType": DOCUMENTS,
        "status": "current",
        "identifier": [{"system": VIDEO, "value": video}],
        "subject": {"reference": patient},
    }
    return allows(who.policy.permits(DOCUMENTS, letter), index(DOCUMENTS, body))


def gives_tasks(who: Principal) -> bool:
    """Whether a Task may be created that lies in no patient's record."""
    return unlimited(who.policy.permits(TASK, "c"))


def to_ask(who: Principal, patient: str = "") -> None:
    """Raises Forbidden unless a video may be asked for: it tells what the token must be able to read. `patient`: the
    reference, or "" where any may come from an EHR.
    """
    if not unlimited(permits(who, TASK, "c")):
        raise Forbidden(
            "A video is asked for by a Task that lies in no patient's record: it takes system/Task.c or user/Task.c; a "
            "token that is bound to a patient, or limited otherwise, may not."
        )
    rows = Rows(compartments=(("Patient", patient.removeprefix("Patient/")),)) if patient else Rows()
    hidden = [
        type
        for type in TYPES
        if not (unlimited(found := who.policy.permits(type, "r")) or (type not in BESIDE and allows(found, rows)))
    ]
    if hidden:
        raise Forbidden(
            f"A video tells what is in the record: the token must be able to read it, and may not read "
            f"{', '.join(hidden)}."
        )


def works_here(who: Principal, roles: Roles) -> bool:
    """Whether it is a person whose role may choose any patient, or who owns the data directory."""
    minted = who.client == CLI and not who.grant
    return who.policy is EVERYTHING or minted or any(name in roles and roles[name].picks == STAFF for name in who.roles)


def to_decide(who: Principal, roles: Roles, video: str, patient: str) -> None:
    """Raises Forbidden unless this video may be edited, decided about and given out: by a person who works here."""
    if not works_here(who, roles):
        raise Forbidden(
            "What a patient is told is approved by a person: sign in as somebody whose role may choose any patient "
            "(practitioner, admin)."
        )
    if not unlimited(permits(who, TASK, "u")) or not covers(who, "u", video, patient):
        raise Forbidden("It takes Task.u, and DocumentReference.u of this patient.")
