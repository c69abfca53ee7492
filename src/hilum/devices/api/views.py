"""Agents, devices and what waits, as the API and commands show them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from hilum.devices.registry import Enrolled, Known
from hilum.devices.waiting import Waiting


def agent(one: Enrolled) -> dict[str, Any]:
    """An agent."""
    of = one.agent
    return {
        "id": one.id,
        "name": of.name,
        "patients": [f"Patient/{id}" for id in of.patients],
        "anyone": of.anyone,
        "default": f"Patient/{of.default}" if of.default else None,
        "device": of.device or None,
        "version": of.version or None,
        "invited_by": of.by,
        "enrolled": moment(of.created),
        "last_contact": moment(of.seen),
        "revoked": one.ended,
    }


def device(one: Known) -> dict[str, Any]:
    """A device."""
    of = one.device
    told = {name: getattr(of, name) or None for name in ("name", "manufacturer", "model", "serial", "agent")}
    links = [
        {"person": link.person, "patient": f"Patient/{link.patient}", "by": link.by, "at": moment(link.at)}
        for link in of.links
    ]
    return {
        "id": one.id,
        "system": of.system,
        "value": of.value,
        **told,
        "links": links,
        "battery": of.battery,
        "last_contact": moment(of.seen),
        "revoked": of.revoked,
    }


def held(one: Waiting) -> dict[str, Any]:
    """What waits."""
    return {
        "id": one.id, "agent": one.client, "since": moment(one.at), "why": one.why, "entries": one.entries,
    }  # fmt: skip


def moment(seconds: int) -> str | None:
    """An instant; None for never."""
    return datetime.fromtimestamp(seconds, UTC).isoformat().replace("+00:00", "Z") if seconds else None
