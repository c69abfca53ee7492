"""Where batches go and whose they are: `[send]` and `[[patient]]` of agent.toml."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from hilum.agent import http
from hilum.phd.fhir import Patient
from hilum.problems import Misconfigured

WAYS: Final = ("gateway", "fhir", "pcd01", "soap")
_ID: Final = re.compile(r"[A-Za-z0-9\-.]{1,64}")
_SEND: Final[Mapping[str, type]] = {"to": str, "way": str, "ca": str, "seal": bool}
_PATIENT: Final[Mapping[str, type]] = {"device": str, "person": int, "id": str, "system": str, "value": str}


@dataclass(frozen=True, slots=True)
class Sending:
    """`to`: the gateway's root, the FHIR base, or the URL that takes messages. `ca`: who alone is trusted; None: whom
    the system trusts. `patients`: (device's key, its user's number or None) -> whose.
    """

    to: str
    way: str
    ca: Path | None
    seal: bool
    patients: Mapping[tuple[str, int | None], Patient]


def read(document: Mapping[str, Any], folder: Path) -> Sending:
    """`folder`: the agent's data, from which relative paths count. Raises Misconfigured."""
    send = document.get("send")
    if not isinstance(send, dict):
        raise Misconfigured("agent.toml has no [send]: `hilum agent enroll URL` writes one.")
    _known(send, _SEND, "[send]")
    way, ca = send.get("way", "gateway"), send.get("ca")
    if way not in WAYS:
        raise Misconfigured(f"`way` in [send] is one of {', '.join(WAYS)}.")
    if "to" not in send:
        raise Misconfigured('[send] needs `to = "https://…"`.')
    if send.get("seal", False) and way != "gateway":
        raise Misconfigured('`seal` in [send] goes with `way = "gateway"`: nobody else opens such envelopes.')
    patients: dict[tuple[str, int | None], Patient] = {}
    listed = document.get("patient", [])
    for one in listed if isinstance(listed, list) else [None]:
        if not isinstance(one, dict) or "device" not in one:
            raise Misconfigured("[[patient]] needs a `device`: its key, as `hilum agent status` shows it.")
        _known(one, _PATIENT, "[[patient]]")
        key = (one["device"], one.get("person"))
        if key in patients:
            raise Misconfigured(f"[[patient]] says twice whose the readings of {key[0]} are.")
        if not _ID.fullmatch(one.get("id", "1")):
            raise Misconfigured(
                "`id` in [[patient]] is a logical id, as 203713: letters, digits, - and . (at most 64)."
            )
        try:
            patients[key] = Patient(one.get("id", ""), one.get("system", ""), one.get("value", ""))
        except ValueError:
            raise Misconfigured("[[patient]] needs an `id`, or a `system` and a `value`.") from None
    return Sending(
        http.checked(send["to"].rstrip("/")),
        way,
        None if ca is None else folder / Path(ca).expanduser(),
        send.get("seal", False),
        patients,
    )


def _known(table: Mapping[str, Any], known: Mapping[str, type], where: str) -> None:
    for name, value in table.items():
        if name not in known:
            raise Misconfigured(f"{where} has no `{name}`: it has {', '.join(known)}.")
        if type(value) is not known[name]:
            raise Misconfigured(f"`{name}` in {where} must be of the type {known[name].__name__}.")
