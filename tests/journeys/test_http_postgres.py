"""What a client and the log see when PostgreSQL fails under a running server."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import asyncpg
import httpx
from tests.journeys.cli import postgres_database
from tests.journeys.server import FHIR_JSON, Server

__all__ = ["postgres_database"]

PATIENT = {"resourceType": "Patient", "name": [{"family": "Chalmers"}]}


def told(url: str, *statements: str) -> list[Any]:
    """What the last of these statements, by a session of its own, finds."""

    async def tell() -> list[Any]:
        session = await asyncpg.connect(url, server_settings={"search_path": "hilum"})
        found: list[Any] = []
        for statement in statements:
            found = await session.fetch(statement)
        await session.close()
        return found

    return asyncio.run(tell())


def opaque(answer: httpx.Response) -> str:
    """The reference that a 500 gives, and nothing else."""
    assert answer.status_code == 500, answer.text
    ((issue,),) = (answer.json()["issue"],)
    text, _, reference = issue.pop("diagnostics").rpartition(" ")
    assert issue == {"severity": "fatal", "code": "exception"}
    assert text == "hilum failed to answer this request. Reference for the operator:"
    return str(reference)


def test_a_table_that_is_gone_is_an_opaque_500_and_a_line_in_the_log(
    start: Callable[..., Server], postgres_database: str
) -> None:
    running = start("--store", postgres_database)
    with running.client() as client:
        made = client.post("Patient", json=PATIENT, headers=FHIR_JSON).json()
        told(postgres_database, "ALTER TABLE string RENAME TO lost")
        references = [
            opaque(client.get("Patient?family=Chalmers")),
            opaque(client.post("Patient", json=PATIENT, headers=FHIR_JSON)),
        ]
        assert client.get(f"Patient/{made['id']}").json() == made
        told(postgres_database, "ALTER TABLE lost RENAME TO string")
        assert client.get("Patient?family=Chalmers").json()["entry"][0]["resource"] == made
        assert client.post("Patient", json=PATIENT, headers=FHIR_JSON).status_code == 201
    running.stop()
    defects = [event for event in running.events if event["event"] == "defect"]
    assert [(one["reference"], one["level"], one["error"]) for one in defects] == [
        (reference, "error", "UndefinedTableError") for reference in references
    ]
    assert all(any("store/postgres" in frame for frame in one["frames"]) for one in defects)
    for word in ("SELECT", "INSERT", "halmers"):
        assert word not in running.log


def test_ended_sessions_are_replaced_without_a_word(start: Callable[..., Server], postgres_database: str) -> None:
    running = start("--store", postgres_database)
    end = (  # that of reads and writes, and whichever looks after the index just then
        "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity "
        "WHERE application_name LIKE 'hilum %' AND datname = current_database()"
    )
    with running.client() as client:
        made = client.post("Patient", json=PATIENT, headers=FHIR_JSON).json()
        for gender in ("female", "male", "other"):
            assert set(told(postgres_database, end)) == {(True,)}
            assert client.get(f"Patient/{made['id']}").json() == made
            assert set(told(postgres_database, end)) == {(True,)}
            made = client.put(f"Patient/{made['id']}", json=made | {"gender": gender}, headers=FHIR_JSON).json()
        assert made["meta"]["versionId"] == "4"
    assert "defect" not in running.log


def test_a_full_disk_is_503_and_nothing_is_written(start: Callable[..., Server], postgres_database: str) -> None:
    running = start("--store", postgres_database)
    full = (
        "CREATE FUNCTION full_() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
        "RAISE EXCEPTION 'could not extend file for Chalmers' USING ERRCODE = '53100'; END $$",
        "CREATE TRIGGER full_ BEFORE INSERT ON audit FOR EACH ROW EXECUTE FUNCTION full_()",
    )
    told(postgres_database, *full)
    with running.client() as client:
        refused = client.post("Patient", json=PATIENT, headers=FHIR_JSON)
        assert refused.status_code == 503
        assert refused.headers["retry-after"] == "1"
        assert refused.json()["issue"] == [
            {
                "severity": "error",
                "code": "transient",
                "diagnostics": "PostgreSQL's disk is full: nothing was written. Free some space and try again.",
            }
        ]
        assert client.get("Patient?_summary=count").json()["total"] == 0
        told(postgres_database, "DROP TRIGGER full_ ON audit")
        assert client.post("Patient", json=PATIENT, headers=FHIR_JSON).status_code == 201
    assert "defect" not in running.log
