"""The registry of EHRs, and what orders can name beside: recipes, destinations, directories."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any, Final

import msgspec
from fastapi import APIRouter, Query
from starlette.responses import Response

from hilum.access.policy import Principal
from hilum.api.asking import PREFIX
from hilum.broker import checking, directories, sign_ins
from hilum.broker.api import allowed, shapes
from hilum.broker.api.asking import ABSENT, PROBLEMS, TAKEN, Here, Who
from hilum.broker.api.broker import Broker
from hilum.broker.connection import Connection
from hilum.broker.destinations import new_secret
from hilum.web.webhooks import decoded, shown

router: Final = APIRouter(prefix=PREFIX)
_EHRS: Final = "EHRs"
_CHOICES: Final = "What orders can name"


@router.get("/ehrs", tags=[_EHRS], responses=PROBLEMS)
async def list_ehrs(broker: Here, who: Who) -> shapes.Ehrs:
    """All connections: for administrators (`Endpoint.r`), and who may give orders."""
    allowed.to_choose(who, broker.roles)
    found = shapes.Ehrs(ehrs=[_shown(one) for one in await broker.connections.every()])
    await _noted(broker, who, "ehrs")
    return found


@router.post("/ehrs", status_code=201, tags=[_EHRS], responses=PROBLEMS | TAKEN)
async def add_ehr(broker: Here, who: Who, ehr: shapes.EhrNew, response: Response) -> shapes.Ehr:
    """Add a connection (`Endpoint.c` of an administrator). `POST …/check` then says whether it works."""
    allowed.to_administer(who, broker.roles, "c")
    new = _connection(broker, ehr.name, ehr, who)
    broker.connections.judge(new, ehr.secret)
    await _told(broker, who, {"added": new.name, "base": new.base, "scope": new.system_scopes})
    made = await broker.connections.add(new, ehr.secret)
    response.headers["location"] = f"{broker.origin}{PREFIX}/ehrs/{made.name}"
    return _shown(made)


@router.get("/ehrs/{name}", tags=[_EHRS], responses=PROBLEMS | ABSENT)
async def get_ehr(broker: Here, who: Who, name: str) -> shapes.Ehr:
    """One of them."""
    allowed.to_choose(who, broker.roles)
    found = await broker.connections.get(name)
    await _noted(broker, who, "ehr")
    return _shown(found)


@router.put("/ehrs/{name}", tags=[_EHRS], responses=PROBLEMS | ABSENT | TAKEN)
async def change_ehr(broker: Here, who: Who, name: str, ehr: shapes.EhrChange) -> shapes.Ehr:
    """Put all of this in its place (`Endpoint.u` of an administrator)."""
    allowed.to_administer(who, broker.roles, "u")
    new = _connection(broker, name, ehr, who)
    await broker.connections.replaceable(new, ehr.secret)
    await _told(broker, who, {"changed": new.name, "base": new.base, "scope": new.system_scopes})
    return _shown(await broker.connections.replace(new, ehr.secret))


@router.delete("/ehrs/{name}", status_code=204, tags=[_EHRS], responses=PROBLEMS | ABSENT | TAKEN)
async def remove_ehr(broker: Here, who: Who, name: str) -> None:
    """Forget it, and the tokens that it gave (`Endpoint.d` of an administrator).

    Those of people who signed in are then revoked at the EHR, where it has a `revocation_endpoint`.
    """
    allowed.to_administer(who, broker.roles, "d")
    await broker.connections.removable(name)
    await _told(broker, who, {"removed": name[:40]})
    await broker.remove(name)


@router.post("/ehrs/{name}/check", tags=[_EHRS], responses=PROBLEMS | ABSENT)
async def check_ehr(broker: Here, who: Who, name: str) -> shapes.Checked:
    """Try it: discover, sign in, read one thing; what fails is told with whose side it is on (`Endpoint.r`)."""
    allowed.to_administer(who, broker.roles, "r")
    connection = await broker.connections.get(name)
    await _noted(broker, who, "check")
    steps = [step async for step in broker.check(connection)]
    return shapes.Checked(
        works=checking.works(steps),
        untried=checking.untried(steps),
        steps=[
            shapes.Step(step=one.step, state=one.state, found=one.found, todo=one.todo, side=one.side) for one in steps
        ],
    )


@router.get("/sign-ins", tags=[_EHRS], responses=PROBLEMS)
async def list_sign_ins(
    broker: Here, who: Who, ehr: Annotated[str, Query(max_length=40, description="Only those at this connection.")] = ""
) -> shapes.SignIns:
    """People who have signed in at EHRs, and whose tokens hilum has (`Endpoint.r` of an administrator)."""
    allowed.to_administer(who, broker.roles, "r")
    found = [shapes.SignIn(**msgspec.to_builtins(one)) for one in await sign_ins.every(broker.grants, ehr)]
    await _noted(broker, who, "sign-ins")
    return shapes.SignIns(sign_ins=found)


@router.delete("/sign-ins/{sign_in}", status_code=204, tags=[_EHRS], responses=PROBLEMS | ABSENT)
async def sign_out(broker: Here, who: Who, sign_in: str) -> None:
    """Forget one and its tokens now; an order by it that is not over fails (`Endpoint.d` of an administrator).

    The tokens are then revoked at the EHR, where it has a `revocation_endpoint`.
    """
    allowed.to_administer(who, broker.roles, "d")
    id, found = await sign_ins.one(broker.grants, sign_in)
    await _told(broker, who, sign_ins.audited(found))
    await broker.sign_out(id)


@router.get("/recipes", tags=[_CHOICES], responses=PROBLEMS)
async def list_recipes(broker: Here, who: Who) -> shapes.Recipes:
    """All recipes: those that come with hilum, and those of the data directory. docs/reference/recipes.md"""
    allowed.to_choose(who, broker.roles)
    known = broker.recipes()
    found = sorted(known.values(), key=lambda one: one.name)
    return shapes.Recipes(
        unsound=[shapes.Unsound(name=name, problem=text) for name, text in sorted(known.unsound.items())],
        recipes=[
            shapes.Recipe(
                name=one.name,
                title=one.title,
                start=list(one.start),
                types=list(one.types),
                store=one.store == "own",
                delivers=bool(one.payload),
            )
            for one in found
        ],
    )


@router.get("/destinations", tags=[_CHOICES], responses=PROBLEMS)
async def list_destinations(broker: Here, who: Who) -> shapes.Destinations:
    """The services that can be delivered to."""
    allowed.to_choose(who, broker.roles)
    found = await broker.destinations.every()
    return shapes.Destinations(
        destinations=[shapes.Destination(name=one.name, environment=one.environment) for one in found]
    )


@router.post("/destinations/{name}/rotate", tags=[_CHOICES], responses=PROBLEMS | ABSENT | TAKEN)
async def rotate_secret(broker: Here, who: Who, name: str, rotate: shapes.Rotate) -> shapes.Rotated:
    """Sign what is delivered there with another secret (`Endpoint.u` of an administrator).

    Until its overlap is over deliveries carry two signatures, the new one first: the receiver takes whichever it can
    verify, and has that long to learn the new secret.
    """
    allowed.to_administer(who, broker.roles, "u")
    secret = decoded(rotate.secret) if rotate.secret else new_secret()
    await broker.destinations.rotatable(name)
    about = {"rotated": name[:40], "overlap": f"{rotate.overlap_hours:g} h"}
    await broker.trail.certain(who, "destination", 200, about)
    done = await broker.destinations.rotate(name, secret, rotate.overlap_hours * 3600)
    return shapes.Rotated(
        name=done.name,
        secret=None if rotate.secret else shown(secret),
        former_until=datetime.fromtimestamp(done.until, UTC) if done.former else None,
    )


@router.get("/directory", tags=[_EHRS], responses=PROBLEMS | ABSENT)
async def find_organization(
    broker: Here,
    who: Who,
    name: Annotated[
        str, Query(min_length=2, max_length=200, description="Words of its name or place.", examples=["general boston"])
    ],
    of: Annotated[str, Query(max_length=40, description="Only this directory.")] = "",
    count: Annotated[int, Query(ge=1, le=100)] = 20,
) -> shapes.Directory:
    """Where an organization is reached, by the directories that were imported (`hilum ehr import`)."""
    allowed.to_choose(who, broker.roles)
    found = await directories.find(broker.door.store.ledger, name, name=of, most=count)
    return shapes.Directory(
        organizations=[
            shapes.Listed(
                organization=one.listed.name,
                place=one.listed.place,
                base=one.listed.base,
                version=one.listed.version,
                directory=one.directory.name,
                vendor=one.directory.head.vendor,
            )
            for one in found
        ]
    )


_SAME: Final = tuple(shapes.EhrFields.model_fields)


def _shown(one: Connection) -> shapes.Ehr:
    """All but the secret."""
    said: dict[str, Any] = {name: getattr(one, name) for name in _SAME}
    return shapes.Ehr(
        **said | {"grants": list(one.grants), "recipes": list(one.recipes)},
        name=one.name,
        environment=one.environment,
        origin=one.origin,
        created=datetime.fromtimestamp(one.created, UTC) if one.created else None,
        has_secret=bool(one.secret),
    )


def _connection(broker: Broker, name: str, ehr: shapes.EhrChange, who: Principal) -> Connection:
    said = {key: getattr(ehr, key) for key in _SAME} | {
        "name": name,
        "environment": ehr.environment or broker.connections.environment,
        "origin": who.agent,
    }
    return msgspec.convert(said, Connection)


async def _told(broker: Broker, who: Principal, about: dict[str, str]) -> None:
    """Audit what is about to be done: it is on disk when this returns. Raises Busy."""
    await broker.trail.certain(who, "ehr", 200, about)


async def _noted(broker: Broker, who: Principal, interaction: str) -> None:
    await broker.trail.flushed(broker.trail.note(who, interaction, None, "", 0, 200, "", ()))
