"""The form of an account: what an administrator fills in, and the account that it makes."""

from __future__ import annotations

from typing import Any, Final

from msgspec import structs

from hilum.access.roles import Roles
from hilum.oauth.ledger import User
from hilum.smart.admin.lists import lines
from hilum.web.message import Form

_AUDITED: Final = {"fhir_user": "fhirUser"}


def shown(user: User | None) -> dict[str, Any]:
    """What the form of this user has in its fields; None: of a new one."""
    if user is None:
        return {"name": "", "display": "", "roles": (), "fhir_user": "", "patients": "", "to_come": False}
    return {
        "name": user.name,
        "display": user.display,
        "roles": user.roles,
        "fhir_user": user.fhir_user,
        "patients": "\n".join(user.patients),
        "to_come": False,
    }


def sent(form: Form) -> dict[str, Any]:
    """What was sent in the same fields, to be shown again where it can't be taken."""
    names = ("name", "display", "fhir_user", "patients")
    roles, to_come = tuple(dict.fromkeys(form.all("role"))), bool(form.get("to_come"))
    return {name: form.get(name).strip() for name in names} | {"roles": roles, "to_come": to_come}


def user_of(values: dict[str, Any], old: User) -> User:
    """The account that the fields make of the old one, whose name stays where it has one.

    What a user must be, `users.check` judges. A patient with one record is its Patient, where nothing else is said.
    """
    patients = lines(values["patients"])
    fhir_user = values["fhir_user"]
    if not fhir_user and not old.name and values["roles"] == ("patient",) and len(patients) == 1:
        fhir_user = f"Patient/{patients[0]}"
    name = old.name or values["name"]
    display = " ".join(values["display"].split())[:200]
    return structs.replace(
        old, name=name, display=display or name, roles=values["roles"], fhir_user=fhir_user, patients=patients
    )


def changed(old: User, new: User) -> dict[str, str]:
    """What is another, and how it is now, for the audit."""
    found = {}
    for field in ("display", "roles", "fhir_user", "patients"):
        value = getattr(new, field)
        if value != getattr(old, field):
            found[_AUDITED.get(field, field)] = value if isinstance(value, str) else " ".join(value)
    return found


def beyond(user: User, open: frozenset[str], roles: Roles) -> str:
    """The title of a role of this user that opens pages which are not `open`; empty where there is none.

    Who may manage users must not make themselves, or take over, somebody who may do more with the server.
    """
    for name in user.roles:
        if name in roles and not roles[name].console <= open:
            return roles[name].title
    return ""
