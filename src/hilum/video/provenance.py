"""Where a video comes from, and who has approved it, as Provenances. https://hl7.org/fhir/R4/provenance.html"""

from __future__ import annotations

from typing import Any, Final

from hilum.fhir.resource import instant
from hilum.video.order import DOCUMENT, Order, id_of
from hilum.video.script import Script
from hilum.video.shelf import digest

DIGEST: Final = "urn:hilum:script-sha256"
"""Of the identifier that names a script by what it says."""
_PARTICIPANT: Final = "http://terminology.hl7.org/CodeSystem/provenance-participant-type"
_URI: Final = "urn:ietf:rfc:3986"
_AGENT: Final = "urn:hilum:agent"

Body = dict[str, Any]


def making(video: str, order: Order, script: Script, base: str, now: int) -> Body:
    """That hilum has made it, for whom, and of what. `base`: hilum's own."""
    agent = {
        "type": _participant("assembler", "Assembler"),
        "who": {"type": "Device", "identifier": {"system": _URI, "value": base}, "display": "hilum"},
        "onBehalfOf": {"identifier": {"system": _AGENT, "value": order.edited or order.by}},
    }
    return {
        "resourceType": "Provenance",
        "target": [{"reference": f"DocumentReference/{id_of(video, order.draft, DOCUMENT)}"}],
        "recorded": instant(now),
        "activity": {"text": f"A video was made by the template {order.template}, rendered by {order.renderer}"},
        "agent": [agent],
        "entity": [_script(script), *_sources(script)],
    }


def approval(video: str, order: Order, script: Script, version: int) -> Body:
    """Who has approved which script, and when. `version`: of the DocumentReference, final by that."""
    decision = order.decision
    assert decision is not None
    who: Body = {"identifier": {"system": _AGENT, "value": decision.by}, "display": decision.by}
    if decision.who:
        who["reference"] = decision.who
    text = "Approved by the template itself" if decision.template else "Approved"
    id = id_of(video, order.draft, DOCUMENT)
    return {
        "resourceType": "Provenance",
        "target": [{"reference": f"DocumentReference/{id}/_history/{version}"}],
        "occurredDateTime": instant(decision.at),
        "recorded": instant(decision.at),
        "activity": {"text": text},
        "agent": [{"type": _participant("verifier", "Verifier"), "who": who}],
        "entity": [_script(script), *_sources(script)],
    }


def _script(script: Script) -> Body:
    """By what it says, since the file of a draft is deleted with it."""
    return {"role": "derivation", "what": {"type": "Binary", "identifier": {"system": DIGEST, "value": digest(script)}}}


def _sources(script: Script) -> list[Body]:
    return [{"role": "source", "what": {"reference": one}} for one in script.sources]


def _participant(code: str, display: str) -> Body:
    return {"coding": [{"system": _PARTICIPANT, "code": code, "display": display}]}
