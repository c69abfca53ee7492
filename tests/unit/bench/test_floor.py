"""The floor writes the rows and bytes that hilum writes: otherwise no ratio to it means anything."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import uuid
from pathlib import Path

import apsw
import msgspec
import pytest
from bench import population, runner, same_work, servers
from bench.floor import wire
from bench.floor.rows import Keys as FloorKeys
from bench.floor.rows import Numbers, extractors
from bench.records import id_of, observation, patient

from hilum.fhir import json
from hilum.fhir.resource import draft, instant
from hilum.rest.conditions import http_date
from hilum.search.index import index
from hilum.search.rows import QuantityRow
from hilum.store import keys as plain
from hilum.store import migrations
from hilum.store.keyed import Keys, choices, systems
from hilum.store.sqlite import tables
from hilum.store.sqlite.fulltext import words_of

SECRET = "5e" * 32
NUMBERS = msgspec.json.decode(population.numbers(), type=Numbers)


@pytest.mark.parametrize("n", range(0, 400, 13))
@pytest.mark.parametrize(("type", "make"), [("Patient", patient), ("Observation", observation)])
def test_its_index_rows_are_hilums(type: str, make: type, n: int) -> None:
    id = id_of(type, n)
    raw = json.encode(make(n, id))
    hilum = index(type, json.parse(raw))
    keys, its = Keys(SECRET), FloorKeys()
    keys.numbers.update((system, choices(system)[0]) for system in systems(hilum))
    its.open(SECRET, keys.numbers)
    floor = extractors(NUMBERS, its)[type](raw, id)
    assert floor.tokens == {(row.parameter, keys.tokens[row.system, row.code]) for row in hilum.tokens} | {
        (row.parameter, keys.texts[row.folded]) for row in hilum.terms
    }
    assert floor.terms == {(row.parameter, keys.texts[row.folded], row.folded) for row in hilum.terms}
    assert floor.strings == set(hilum.strings)
    assert floor.dates == [(row.parameter, plain.span(row.low, row.high), row.low, row.high) for row in hilum.dates]
    assert floor.quantities == [
        (row.parameter, keys.units[row.system, row.code, row.unit], row.low, row.high) for row in hilum.quantities
    ]
    pairs = [(row.parameter, keys.tokens[row.system, row.code], row.second) for row in hilum.composites]
    assert floor.composites == [
        (number, first, keys.units[second.system, second.code, second.unit], second.low, second.high)
        for number, first, second in pairs
        if isinstance(second, QuantityRow)
    ]
    assert len(floor.composites) == len(pairs)
    assert sorted(floor.references) == list(hilum.references)
    assert sorted(floor.compartments) == list(hilum.compartments)
    assert (hilum.uris, hilum.nears, hilum.labels) == ((), (), ())
    assert set(floor.shape) == set(tables.numbers(hilum))
    assert all(its.exact(text) == keys.texts[text] for _, _, text in floor.strings)


@pytest.mark.parametrize(("type", "make"), [("Patient", patient), ("Observation", observation)])
def test_its_stored_bytes_are_hilums(type: str, make: type) -> None:
    id = id_of(type, 9)
    created, replaced = json.encode(make(9)), json.encode(make(9, id))
    head = len(type) + 19
    its = FloorKeys()
    its.open(SECRET, dict.fromkeys(systems(index(type, json.parse(created))), 1))
    rows = extractors(NUMBERS, its)[type](created, id)
    for raw, skip in ((created, head), (replaced, head + len(id) + 8)):
        made = wire.Made(type, id, wire.key_of(id), *wire.around(type, id, raw, skip), rows)
        assert wire.stamp(made, 3, 1_700_000_000_000_007) == draft(json.parse(raw), id).stamp(3, 1_700_000_000_000_007)


def test_its_stamps_and_ids_have_hilums_form() -> None:
    for seq in (0, 1_700_000_000_000_000, 1_799_999_999_999_999):
        assert wire.instant(seq).decode() == instant(seq)
        assert wire.http_date(seq // 1_000_000).decode() == http_date(seq)
    text, key = wire.uuid7()
    assert uuid.UUID(text).version == 7
    assert uuid.UUID(text).bytes == key == wire.key_of(text)


def test_it_imports_nothing_of_hilum() -> None:
    code = "import sys, bench.floor.sqlite, bench.floor.postgres, bench.floor.application; print(*sys.modules)"
    found = subprocess.run(
        [sys.executable, "-c", code],
        cwd=servers.ROOT,
        env=servers.environment(),
        capture_output=True,
        text=True,
        check=True,
    )
    assert [name for name in found.stdout.split() if re.match(r"hilum\b", name)] == []


def test_as_many_words_are_counted_whatever_ids_were_given(tmp_path: Path) -> None:
    counted = []
    for id in ("019ab3c4-2016-7abc-8def-0123456789ab", "019ab3c4-51ee-7abc-8def-0123456789ab"):
        path = str(tmp_path / id)
        db = apsw.Connection(path)
        db.execute(_fulltext())
        body = {"resourceType": "Observation", "subject": {"reference": f"Patient/{id}"}, "issued": "2016-03-01"}
        db.execute("INSERT INTO fulltext (rowid, narrative, content) VALUES (1, ?, ?)", words_of(body))
        db.close()
        counted.append(same_work.count_sqlite(path))
    assert counted == [{"words of content": (3, 0)}] * 2  # patient, 03, 01


def _fulltext() -> str:
    """The statement that makes the table of words."""
    (step,) = [one for one in migrations.steps("sqlite") if "fulltext" in one.sql]
    return step.sql[step.sql.index("CREATE VIRTUAL TABLE fulltext") :].partition(";")[0]


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs Linux's /proc")
async def test_floor_and_hilum_do_the_same_work_on_sqlite(tmp_path: Path) -> None:
    try:
        found = await runner.check("sqlite", tmp_path, tmp_path / "kept", lambda *_: None)
    finally:
        shutil.rmtree(tmp_path / "kept", ignore_errors=True)
    assert [str(one) for one in found] == []
