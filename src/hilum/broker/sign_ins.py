"""Sign-ins of people at EHRs, as who runs hilum sees them: whose, where, since when, until when.

Each is told by what pages, Tasks and the log tell of it (`sign_in_of`): its id, which opens its tokens, stays in here.
"""

from __future__ import annotations

from typing import Final

import msgspec

from hilum.broker.grants import Grants, Kept, sign_in_of
from hilum.problems import Invalid, NotFound

SHORTEST: Final = 8
"""Characters by which one may be named."""
TOLD: Final = 12
"""Characters by which lists, the log and the audit tell one from others."""


class SignIn(msgspec.Struct, frozen=True):
    """`who`: as the EHR says it, "" where it does not. Times in seconds since 1970: when they signed in, when the EHR
    last gave a token for it, and when it is forgotten unless it gives another one by then.
    """

    sign_in: str
    ehr: str
    who: str
    scopes: str
    begun: int
    renewed: int
    ends: int


async def every(grants: Grants, ehr: str = "") -> list[SignIn]:
    """Those of one EHR, or all: the last begun first. Raises Busy."""
    found = [_shown(one) for one in await grants.of(ehr)]
    return sorted(found, key=lambda one: (-one.begun, one.sign_in))


async def one(grants: Grants, word: str) -> tuple[str, SignIn]:
    """The id of the one that this is the beginning of, and what is told of it. Raises NotFound, Invalid, Busy."""
    if len(word) < SHORTEST:
        raise Invalid(f"A sign-in is named by {SHORTEST} characters at least of what `hilum ehr sign-ins` lists.")
    found = [kept for kept in await grants.of() if sign_in_of(kept.id).startswith(word)]
    if not found:
        raise NotFound(
            f"There is no sign-in {word[:64]!r}, or it has ended: `hilum ehr sign-ins` lists those there are."
        )
    if len(found) > 1:
        raise Invalid(f"Several sign-ins begin with {word[:64]!r}: name more of it.")
    return found[0].id, _shown(found[0])


def audited(sign_in: SignIn) -> dict[str, str]:
    """What the audit says of ending it."""
    return {"signed out": sign_in.sign_in[:TOLD], "ehr": sign_in.ehr}


def _shown(kept: Kept) -> SignIn:
    grant = kept.grant
    return SignIn(
        sign_in=sign_in_of(kept.id),
        ehr=grant.connection,
        who=grant.fhir_user or grant.subject,
        scopes=grant.scopes,
        begun=grant.created,
        renewed=max(grant.created, grant.expires - grant.life),
        ends=kept.row.expires // 1_000_000,
    )
