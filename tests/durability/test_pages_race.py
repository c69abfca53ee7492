"""Sorted pages over HTTP while others write what is sorted by: what stays appears exactly once, in any order."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from tests.durability.test_race import _run, servers
from tests.durability.wire import Wire

__all__ = ["servers"]

STAY, COME_AND_GO, WRITERS, ENOUGH = 60, 30, 4, 150
ORDERS = ("family", "-family,birthdate", "_lastUpdated", "-_lastUpdated", "birthdate", "-gender,_id", "_id")


def _person(id: str, mark: str, chance: random.Random) -> dict[str, Any]:
    return {
        "resourceType": "Patient",
        "id": id,
        "meta": {"tag": [{"system": "urn:race", "code": mark}]},
        "name": [{"family": f"F{chance.randint(0, 20):02}"}],
        "gender": chance.choice(("male", "female")),
        "birthDate": f"19{chance.randint(10, 40)}-01-01",
    }


async def _write(wire: Wire, mark: str, seed: int, done: Counter[str]) -> None:
    chance = random.Random(seed)
    while not done["read"]:
        stays = f"{mark}-s{chance.randrange(STAY)}"
        other = f"{mark}-o{chance.randrange(COME_AND_GO)}"
        some = chance.random()
        if some < 0.5:
            answer = await wire.send("PUT", f"/Patient/{stays}", _person(stays, mark, chance))
        elif some < 0.75:
            answer = await wire.send("PUT", f"/Patient/{other}", _person(other, mark, chance))
        elif some < 0.95:
            answer = await wire.send("DELETE", f"/Patient/{other}")
        else:
            answer = await wire.send("POST", "/Patient", _person("x", mark, chance))
        assert answer.status < 300, answer
        done["writes"] += 1
        await asyncio.sleep(0.005)  # or the pages of the newest would be long in coming to an end


async def _pages(wire: Wire, url: str) -> Counter[str]:
    seen: Counter[str] = Counter()
    while url:
        answer = await wire.send("GET", url)
        assert answer.status == 200, answer
        seen.update(one["resource"]["id"] for one in answer.json.get("entry", ()))
        nexts = [link["url"] for link in answer.json["link"] if link["relation"] == "next"]
        found = urlsplit(nexts[0]) if nexts else None
        url = f"{found.path.removeprefix('/fhir')}?{found.query}" if found else ""
    return seen


def test_sorted_pages_stand_still_under_writers(servers: Any, tmp_path: Path) -> None:
    mark = tmp_path.name.replace("_", "-")[-30:]

    async def run(wires: list[Wire]) -> None:
        chance = random.Random(1)
        for n in range(STAY):
            id = f"{mark}-s{n}"
            assert (await wires[0].send("PUT", f"/Patient/{id}", _person(id, mark, chance))).status == 201
        done: Counter[str] = Counter()
        writers = [asyncio.create_task(_write(wires[k], mark, k, done)) for k in range(WRITERS)]
        wrong: dict[str, Any] = {}
        while done["writes"] < ENOUGH and not any(one.done() for one in writers):
            for order in ORDERS:
                seen = await _pages(wires[WRITERS], f"/Patient?_tag=urn:race|{mark}&_count=7&_sort={order}")
                missing = [n for n in range(STAY) if seen[f"{mark}-s{n}"] == 0]
                twice = [id for id, times in seen.items() if times > 1]
                if missing or twice:
                    wrong[order] = missing, twice
        done["read"] = 1
        await asyncio.gather(*writers)
        assert wrong == {}

    _run(servers, run)
