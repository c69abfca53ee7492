"""R4's own value sets: what follows from their definitions is what the required bindings list."""

from __future__ import annotations

from hilum.fhir import core, definitions
from hilum.interactions.door import Door
from hilum.interactions.terminology.knowledge import codes
from hilum.interactions.terminology.members import Members, each_code, members
from hilum.terminology import bits
from hilum.terminology.concepts import ABSTRACT


async def abstract(found: Members) -> set[tuple[str | None, str | None]]:
    """Those that nobody may choose."""
    return {
        (one.url, row.code)
        for one in found.values()
        if one.held is not None
        for row in await one.held.at(list(bits.each(await one.held.flagged(ABSTRACT))))
    }


async def test_what_the_definitions_mean_is_what_the_required_bindings_list(door: Door) -> None:
    known = await codes(door.store, door.base, door.codes)
    listed = {url: some for url in core.urls("ValueSet") if (some := definitions.value_set(url)) is not None}
    assert len(listed) > 200
    for url, systems in listed.items():
        found = await members(known, url)
        expected = {(system, code) for system, some in systems.items() for code in some}
        assert set(await each_code(found)) - await abstract(found) == expected, url
