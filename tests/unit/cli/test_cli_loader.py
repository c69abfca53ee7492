"""The load itself, on a real SQLite store, through the real door."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from hilum.app.settings import Settings
from hilum.cli.loading.door import exists, transact
from hilum.cli.loading.journal import Journal
from hilum.cli.loading.loader import Loader
from hilum.cli.loading.sources import find
from hilum.cli.loading.units import derived_id, of_lines
from hilum.problems import Busy
from hilum.store.sqlite import open_sqlite

SYSTEM = "http://example.org/ids"


def patient(id: str, **content: Any) -> dict[str, Any]:
    return {"resourceType": "Patient", "id": id, **content}


def identified(type: str, value: str, **content: Any) -> dict[str, Any]:
    return {"resourceType": type, "identifier": [{"system": SYSTEM, "value": value}], **content}


def bundle(kind: str, *resources: dict[str, Any], **request: Any) -> dict[str, Any]:
    entries = [
        {"resource": resource, "request": {"method": "POST", "url": resource["resourceType"], **request}}
        for resource in resources
    ]
    return {"resourceType": "Bundle", "type": kind, "entry": entries}


class Folder:
    """A folder of files, a data directory, and loads of the one into the other."""

    def __init__(self, root: Path) -> None:
        self.files, self.data = root / "files", root / "data"
        self.files.mkdir()
        self.data.mkdir()

    def write(self, name: str, *bodies: Any) -> None:
        (self.files / name).write_text(
            "\n".join(body if isinstance(body, str) else json.dumps(body) for body in bodies)
        )

    @asynccontextmanager
    async def loader(self, **settings: Any):
        store = await open_sqlite(str(self.data / "s.sqlite"))
        journal = Journal.open(self.data / "journal")
        made = Settings(data=self.data, **settings)
        try:
            yield Loader(transact(store, made), exists(store), journal, 10_000, 4, lambda size, resources: None), store
        finally:
            journal.close()
            await store.close()

    async def load(self, **settings: Any):
        async with self.loader(**settings) as (loader, store):
            report = await loader.load(find([self.files]))
            return report, (await store.counts()).types


@pytest.fixture
def folder(tmp_path):
    return Folder(tmp_path)


def refusals(report):
    return [(one.file, one.position, one.code, one.expression) for one in report.refusals]


async def test_documents_and_lines_of_every_kind_are_loaded(folder):
    folder.write("a.json", bundle("transaction", patient("x"), patient("y")))
    folder.write("b.json", bundle("batch", patient("x"), {"resourceType": "Basic", "code": {"text": "b"}}))
    folder.write("c.json", {"resourceType": "Bundle", "type": "collection", "entry": [{"resource": patient("c1")}]})
    folder.write("d.json", patient("d1"))
    folder.write("e.ndjson", patient("e1"), "", patient("e2"))
    report, counts = await folder.load()
    assert (report.files, report.loaded, report.refused, report.stopped) == (5, 5, 0, False)
    assert report.created == Counter(Patient=7, Basic=1)
    assert counts == {"Patient": 7, "Basic": 1}


async def test_loading_again_adds_nothing(folder):
    folder.write("a.json", bundle("transaction", patient("x"), patient("y")))
    folder.write("e.ndjson", patient("e1"), {"resourceType": "Patient"})
    _, counts = await folder.load()
    report, again = await folder.load()
    assert (report.loaded, report.skipped, report.resources, again) == (0, 2, 0, counts)


async def test_loading_again_without_the_journal_adds_nothing_either(folder):
    folder.write("a.json", bundle("transaction", patient("x"), patient("y")))
    folder.write("b.json", bundle("batch", patient("x")))
    folder.write("e.ndjson", patient("e1"), {"resourceType": "Patient"})
    _, counts = await folder.load()
    (folder.data / "journal").unlink()
    report, again = await folder.load()
    assert (report.created.total(), report.unchanged, again) == (0, Counter(Patient=5), counts)


async def test_what_a_user_changed_since_is_not_set_back_by_a_transaction_that_is_loaded_again(folder):
    folder.write("a.json", bundle("transaction", patient("x", active=True)))
    await folder.load()
    (folder.data / "journal").unlink()
    async with folder.loader() as (loader, store):
        source = find([folder.files])[0]
        id = derived_id(source.digest(), 0)
        (unit,) = of_lines([(0, patient(id, active=False))], source.digest())
        await loader.transact(unit)
        await loader.load([source])
        now = await store.read("Patient", id)
        assert (now.version, now.body["active"]) == (2, False)


async def test_a_store_that_was_replaced_is_loaded_again_whatever_the_journal_says(folder):
    folder.write("a.json", bundle("transaction", patient("x")))
    await folder.load()
    for file in folder.data.glob("s.sqlite*"):
        file.unlink()
    report, counts = await folder.load()
    assert (report.loaded, counts) == (1, {"Patient": 1})


async def test_the_same_resource_in_two_bundles_is_two_resources_as_post_means(folder):
    folder.write("a.json", bundle("transaction", patient("x", active=True)))
    folder.write("b.json", bundle("transaction", patient("x", active=False)))
    _, counts = await folder.load()
    assert counts == {"Patient": 2}


async def test_conditional_references_wait_until_what_they_name_is_loaded(folder):
    reference = {"reference": f"Practitioner?identifier={SYSTEM}|2"}
    named = {"reference": f"Organization?identifier={SYSTEM}|1"}
    folder.write("a.json", bundle("transaction", patient("x", generalPractitioner=[reference])))
    folder.write("b.json", bundle("transaction", identified("PractitionerRole", "3", organization=named)))
    folder.write("c.json", bundle("batch", identified("Practitioner", "2")))
    folder.write("d.ndjson", identified("PractitionerRole", "4", organization=named))
    folder.write("e.json", bundle("transaction", identified("Organization", "1"), ifNoneExist=f"identifier={SYSTEM}|1"))
    report, counts = await folder.load()
    assert (report.loaded, report.refused) == (5, 0)
    assert counts == {"Patient": 1, "Practitioner": 1, "PractitionerRole": 2, "Organization": 1}


async def test_a_folder_is_done_before_another_one_makes_its_organization_once_more(folder):
    """Two of Synthea's populations do: one creates organizations if there are none, the other in any case."""
    organization = identified("Organization", "1")
    for name in ("a", "b"):
        (folder.files / name).mkdir()
    folder.write(
        "a/patient.json", patient("x", managingOrganization={"reference": f"Organization?identifier={SYSTEM}|1"})
    )
    folder.write("a/z.json", bundle("transaction", organization, ifNoneExist=f"identifier={SYSTEM}|1"))
    folder.write("b/1.json", bundle("transaction", organization, patient("y")))
    report, counts = await folder.load()
    assert refusals(report) == []
    assert counts == {"Organization": 2, "Patient": 2}


async def test_the_same_file_twice_at_the_same_time_is_loaded_once(folder):
    for name in ("a", "b"):
        (folder.files / name).mkdir()
        folder.write(f"{name}/same.json", bundle("transaction", patient("x"), patient("y")))
    report, counts = await folder.load()
    assert (report.loaded, report.refused, counts) == (2, 0, {"Patient": 2})
    assert (report.created, report.unchanged) == (Counter(Patient=2), Counter(Patient=2))


async def test_a_chain_of_conditional_references_is_followed_to_its_end(folder):
    """Each file names what the next one makes, so that every pass resolves one more."""
    for n in range(5):
        part = {"partOf": {"reference": f"Organization?identifier={SYSTEM}|{n + 1}"}} if n < 4 else {}
        folder.write(f"{n}.json", bundle("transaction", identified("Organization", str(n), **part)))
    report, counts = await folder.load()
    assert (report.loaded, report.refused, counts) == (5, 0, {"Organization": 5})


async def test_what_never_resolves_is_reported_once_and_tried_again_next_time(folder):
    reference = {"reference": f"Practitioner?identifier={SYSTEM}|2"}
    folder.write("a.json", bundle("transaction", patient("x", generalPractitioner=[reference])))
    folder.write("b.json", bundle("transaction", patient("y")))
    report, counts = await folder.load()
    place = "Bundle.entry[0].resource.generalPractitioner[0]"
    assert refusals(report) == [("a.json", 0, "conflict", place)]
    assert (report.refused, report.loaded, counts) == (1, 1, {"Patient": 1})
    folder.write("c.json", bundle("batch", identified("Practitioner", "2")))
    report, counts = await folder.load()
    assert (report.refused, report.loaded, report.skipped, counts) == (0, 2, 1, {"Patient": 2, "Practitioner": 1})


async def test_with_referential_integrity_lines_wait_for_what_they_refer_to(folder):
    subject = {"reference": "Patient/p1"}
    folder.write("a.ndjson", {"resourceType": "Basic", "id": "b", "code": {"text": "x"}, "subject": subject})
    folder.write("b.ndjson", patient("p1"))
    report, counts = await folder.load(integrity=True)
    assert (report.refused, counts) == (0, {"Basic": 1, "Patient": 1})


async def test_one_bad_line_is_refused_with_its_number_and_element_and_the_others_are_loaded(folder):
    lines = [patient(f"p{n}") for n in range(150)]
    lines[77] = patient("p77", gender="unheard of")
    lines[3] = "not json"
    lines[120] = {"id": "no type"}
    lines[140] = patient("p140", name=[{"family": "n" * 20_000}])
    folder.write("a.ndjson", *lines)
    report, counts = await folder.load()
    assert [(position, expression) for _, position, _, expression in refusals(report)] == [
        (4, None),
        (78, "Patient.gender"),
        (121, None),
        (141, None),
    ]
    assert (report.refused, counts) == (4, {"Patient": 146})
    assert "unheard of" not in json.dumps([one.diagnostics for one in report.refusals])


async def test_refused_lines_alone_are_tried_again_next_time(folder):
    folder.write("a.ndjson", *(patient(f"p{n}") for n in range(5)), patient("q", gender="unheard of"))
    await folder.load()
    report, _ = await folder.load()
    assert (report.resources, report.refused) == (0, 1)


async def test_a_transaction_with_one_bad_entry_is_refused_whole(folder):
    folder.write("a.json", bundle("transaction", patient("x"), patient("y", gender="unheard of")))
    report, counts = await folder.load()
    assert (refusals(report)[0][3], counts) == ("Bundle.entry[1].resource.gender", {})


async def test_a_batch_with_one_bad_entry_loads_the_others(folder):
    folder.write("a.json", bundle("batch", patient("x"), patient("y", gender="unheard of"), patient("z")))
    report, counts = await folder.load()
    assert (refusals(report)[0][3], counts) == ("Bundle.entry[1].resource.gender", {"Patient": 2})


async def test_later_lines_about_one_resource_win_however_long_earlier_ones_take(folder):
    folder.write("a.ndjson", *(patient("p", multipleBirthInteger=n) for n in range(10)))
    async with folder.loader() as (loader, store):

        async def every_second_one_is_slow(unit):
            await asyncio.sleep(0.02 * (1 - unit.numbers[0] % 2))
            return await loader.transact(unit)

        await replace(loader, transact=every_second_one_is_slow).load(find([folder.files]))
        assert (await store.read("Patient", "p")).body["multipleBirthInteger"] == 9


async def test_a_load_that_stopped_in_the_middle_of_a_file_goes_on_there(folder):
    folder.write("a.ndjson", *(patient(f"p{n}") for n in range(300)))
    async with folder.loader() as (loader, _):
        source = find([folder.files])[0]
        (unit,) = of_lines([(0, patient("p0"))], source.digest())
        await loader.transact(unit)
        loader.journal.note(source.digest(), 290, [5], ("Patient", "p0"))
    report, counts = await folder.load()
    assert (report.created, counts) == (Counter(Patient=11), {"Patient": 12})


async def test_a_busy_store_is_asked_again(folder):
    folder.write("a.json", patient("x"))
    async with folder.loader() as (loader, _):
        real, refused = loader.transact, []

        async def busy(unit):
            if len(refused) < 2:
                refused.append(unit)
                raise Busy("later")
            return await real(unit)

        report = await replace(loader, transact=busy).load(find([folder.files]))
    assert (report.loaded, report.refused) == (1, 0)


@pytest.mark.parametrize("raw", ["", "[]", "{", '{"resourceType": "Nothing"}', '{"a": 1}'])
async def test_a_file_that_is_no_resource_is_refused_by_name(folder, raw):
    folder.write("a.json", raw)
    report, counts = await folder.load()
    assert ([one.file for one in report.refusals], report.loaded, counts) == (["a.json"], 0, {})
