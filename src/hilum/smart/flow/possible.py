"""What an app can get of what it asks for: within its registration, what its user may, and the context there is.

https://hl7.org/fhir/smart-app-launch/scopes-and-launch-context.html
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from hilum.access.granting import grantable
from hilum.access.roles import rules
from hilum.oauth import scopes
from hilum.oauth.scopes import Asked
from hilum.smart.apps import clients

if TYPE_CHECKING:
    from hilum.oauth.ledger import User
    from hilum.smart.going import Going
    from hilum.smart.site import Site

PATIENT: Final = "patient"
_BACKEND_ONLY: Final = frozenset((scopes.INTROSPECT,))


def possible(site: Site, going: Going, user: User) -> Asked:
    """The most that this user can allow the app: what the consent page offers, all ticked."""
    asked = scopes.asked(going.record.request["scope"])
    registered = clients.registered_scopes(going.client)
    resources = grantable(asked, registered.resources, rules(user.roles, site.roles))
    flags = (asked.flags & registered.flags) - _BACKEND_ONLY
    if not user.fhir_user:
        flags -= {"fhirUser"}
    if "offline_access" in flags:
        flags -= {"online_access"}
    if not going.record.patient:
        resources = tuple(one for one in resources if one.level != PATIENT)
    wishes = tuple(wish for wish in asked.wishes if wish in registered.wishes and _met(going, wish.type))
    return Asked(resources, wishes, flags)


def wants_patient(going: Going) -> bool:
    """Whether the app asks for a patient in context and can get one, be it by asking for a patient's data."""
    asked, registered = scopes.asked(going.record.request["scope"]), clients.registered_scopes(going.client)
    if any(wish.type == PATIENT for wish in asked.wishes if wish in registered.wishes):
        return True
    return any(scopes.parts(one, registered.resources) for one in asked.resources if one.level == PATIENT)


def wants_encounter(going: Going) -> bool:
    """Whether the app asks for an encounter in context, and can get one."""
    asked, registered = scopes.asked(going.record.request["scope"]), clients.registered_scopes(going.client)
    return any(wish.type == "encounter" for wish in asked.wishes if wish in registered.wishes)


def consent_needed(going: Going, user: User) -> bool:
    """Whether the user has to be asked: patients always are, staff unless an administrator has checked the app."""
    return not going.client.trusted or PATIENT in user.roles or "consent" in going.record.request.get("prompt", "")


def _met(going: Going, type: str) -> bool:
    """Whether there is such a context: a wish for what there is not is not granted."""
    if type == PATIENT:
        return bool(going.record.patient)
    if type == "encounter":
        return bool(going.record.encounter)
    references = going.launched.get("fhirContext", [])
    return any(str(one.get("reference", "")).lower().startswith(f"{type}/") for one in references)
