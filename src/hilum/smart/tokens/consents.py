"""The Consent of a grant: made, and ended.

https://hl7.org/fhir/R4/consent.html, https://hl7.org/fhir/smart-app-launch/scopes-and-launch-context.html
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from hilum.interactions import granting
from hilum.interactions.build import put
from hilum.interactions.permit import permits
from hilum.interactions.retrying import retrying
from hilum.oauth import scopes
from hilum.oauth.ledger import Grant

if TYPE_CHECKING:
    from hilum.oauth.ledger import Client
    from hilum.smart.site import Site

_TERMINOLOGY: Final = "http://terminology.hl7.org/CodeSystem"
_ACTIONS: Final = (("access", "rs"), ("collect", "c"), ("correct", "u"), ("use", "rs"))
"""https://hl7.org/fhir/R4/valueset-consent-action.html -> the letters of `cruds` that it stands for."""
SMART: Final = "http://smarthealthit.org/fhir/scopes/"
OPENID: Final = "http://openid.net/specs/openid-connect-core-1_0#"
"""What scopes begin with as URIs: https://hl7.org/fhir/smart-app-launch/scopes-and-launch-context.html (appendix)."""
_OF_OPENID: Final = frozenset(("openid", "profile", "offline_access"))
PATIENT_REQUEST: Final = "PATRQT"
TREATMENT: Final = "TREAT"


def resource(site: Site, id: str, grant: Grant, client: Client, roles: tuple[str, ...]) -> dict[str, Any]:
    """The Consent that says what a grant says."""
    origin, granted = site.settings.origin, scopes.asked(grant.scopes)
    now = datetime.fromtimestamp(grant.created, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    letters = {letter for one in granted.resources for letter in one.interactions}
    types = sorted({one.type for one in granted.resources if one.type != "*"})
    provision: dict[str, Any] = {
        "type": "permit",
        "period": {"start": now},
        "actor": [
            {
                "role": {"coding": [{"system": f"{_TERMINOLOGY}/v3-ParticipationType", "code": "IRCP"}]},
                "reference": {
                    "type": "Device",
                    "identifier": {"system": f"{origin}/clients", "value": grant.client},
                    "display": client.name,
                },
            }
        ],
        "purpose": [
            {
                "system": f"{_TERMINOLOGY}/v3-ActReason",
                "code": PATIENT_REQUEST if "patient" in roles else TREATMENT,
            }
        ],
    }
    if actions := [code for code, some in _ACTIONS if letters & set(some)]:
        provision["action"] = [{"coding": [{"system": f"{_TERMINOLOGY}/consentaction", "code": c}]} for c in actions]
    if types:
        provision["class"] = [{"system": "http://hl7.org/fhir/resource-types", "code": type} for type in types]
    found: dict[str, Any] = {
        "resourceType": "Consent",
        "id": id,
        "extension": [{"url": f"{origin}/scope", "valueUri": uri(scope)} for scope in grant.scopes.split()],
        "identifier": [{"system": granting.SYSTEM, "value": id}],
        "status": "active",
        "scope": {"coding": [{"system": f"{_TERMINOLOGY}/consentscope", "code": "patient-privacy"}]},
        "category": [
            {"coding": [{"system": "http://loinc.org", "code": "59284-0"}]},
            {"coding": [{"system": f"{_TERMINOLOGY}/v3-ActCode", "code": "INFA"}]},
        ],
        "dateTime": now,
        "organization": [{"display": site.settings.organization}],
        "policy": [{"authority": origin, "uri": f"{site.settings.base}/.well-known/smart-configuration"}],
        "provision": provision,
    }
    if grant.patient:
        found["patient"] = {"reference": f"Patient/{grant.patient}"}
    return found


def uri(scope: str) -> str:
    """A scope as URI."""
    return f"{OPENID if scope in _OF_OPENID else SMART}{scope}"


async def make(site: Site, id: str, grant: Grant, client: Client, roles: tuple[str, ...], performer: str) -> None:
    """Write the Consent of a new grant. `performer`: the user's own resource, "" for none. Raises Busy."""
    body = resource(site, id, grant, client, roles)
    if performer:
        body["performer"] = [{"reference": performer}]
    who = granting.server(grant.user)
    allowed = permits(who, "Consent", "c")
    await retrying(lambda: put(site.door, who, allowed, "create", "POST", "Consent", id, body, None))


async def end(site: Site, id: str) -> bool:
    """Make it inactive, which ends what it stands for in the same commit. False: it is not active. Raises Busy."""
    who = granting.server()
    allowed = permits(who, "Consent", "u")

    async def attempt() -> bool:
        current = await site.door.store.read("Consent", id)
        if current is None or current.deleted or current.body.get("status") != "active":
            return False
        body = current.body | {"status": "inactive"}
        await put(site.door, who, allowed, "update", "PUT", "Consent", id, body, current)
        return True

    return await retrying(attempt)
