"""Videos and links as the API shows them."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from hilum.fhir.resource import instant
from hilum.video.api import shapes
from hilum.video.links import Standing
from hilum.video.templates import Templates
from hilum.video.told import Reason, Told


def video(one: Told, base: str) -> shapes.Video:
    """`base`: of hilum's FHIR."""
    decided = one.decided
    return shapes.Video(
        id=one.id,
        status=one.status,
        step=one.step,
        version=one.version,
        template=one.template,
        language=one.language,
        shape=one.shape,
        codec=one.codec,
        renderer=one.renderer,
        narrated=one.narrated,
        ehr=one.ehr or None,
        patient=one.patient or None,
        progress=one.progress,
        created=_moment(one.created),
        changed=_moment(one.changed),
        seconds=one.seconds or None,
        spoken=one.spoken,
        in_step=one.in_step,
        edited=one.edited or None,
        decided=None
        if decided is None
        else shapes.Decided(
            verdict=decided.verdict, by=decided.by, at=_moment(decided.at), reason=decided.reason or None
        ),
        reason=_reason(one.reason),
        outdated=_reason(one.outdated),
        document=one.document or None,
        task=f"{base}/Task/{one.id}" if one.renderer else None,
    )


def _reason(one: Reason | None) -> shapes.Reason | None:
    return None if one is None else shapes.Reason(code=one.code, text=one.text, element=one.element)


def link(one: Standing) -> shapes.Link:
    """One that was made before."""
    return shapes.Link(**_link(one))


def new_link(url: str, one: Standing) -> shapes.NewLink:
    """One that was made just now."""
    return shapes.NewLink(url=url, **_link(one))


def _link(one: Standing) -> dict[str, Any]:
    return {
        "id": one.id,
        "video": one.link.video,
        "proof": one.link.proof,
        "by": one.link.by,
        "made": _moment(instant(one.link.made)),
        "expires": _moment(instant(one.expires)),
        "revoked": one.revoked,
        "open": one.open,
        "outdated": one.outdated,
        "tries": one.link.tries,
        "watched": one.link.watched,
    }


def templates(all: Templates, renderers: Iterable[str]) -> shapes.Templates:
    """Those that there are, by name."""
    found = [
        shapes.Template(
            name=name,
            title=one.title,
            languages=list(one.languages),
            recipe=one.recipe,
            needs=list(one.needs),
            approval=one.approval,
        )
        for name, one in sorted(all.items())
    ]
    return shapes.Templates(templates=found, renderers=list(renderers))


def _moment(text: str) -> datetime | None:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return None
