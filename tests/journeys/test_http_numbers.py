"""Numbers are served as they were sent, digit for digit. https://hl7.org/fhir/R4/datatypes.html#decimal"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.journeys.cli import another_database, database, hilum, postgres_database
from tests.journeys.conftest import diagnostics
from tests.journeys.server import FHIR_JSON, Server

__all__ = ["another_database", "postgres_database"]

LITERAL = r"-?(0|[1-9][0-9]{0,30})(\.[0-9]{1,30})?([eE][+-]?[0-9]{1,17})?"
"""https://hl7.org/fhir/R4/datatypes.html#decimal, with lengths that a test can bear."""

SPELLINGS = (
    *("-0", "-0.0", "0e0", "1.10", "1.10e-2", "1.0e2", "1E3", "1e400", "-1e-400", "0." + "0" * 5000 + "1"),
    *("9223372036854775808", "-" + "9" * 30, "1" * 4301, "-" + "7" * 5000),
)
JSON_PATCH = {"content-type": "application/json-patch+json"}


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def fhir(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """May do everything, in either store."""
    with ExitStack() as stack:
        flags: tuple[str, ...] = ()
        if request.param == "postgresql":
            flags = ("--store", stack.enter_context(database(request.getfixturevalue("postgres_url"))))
        server = Server(tmp_path_factory.mktemp(request.param), *flags)
        with server.client() as client:
            yield client
        server.stop()


def observation(id_: str, literal: str, *, more: str = "") -> bytes:
    quantity = f'"valueQuantity":{{"value":{literal},"unit":"mg"}}'
    head = f'"resourceType":"Observation","id":"{id_}","status":"final","code":{{"text":"x"}}'
    return f"{{{head}{more},{quantity}}}".encode()


def literals(raw: bytes) -> list[str]:
    """The values of all quantities, as they are written."""
    return re.findall(r'"value":\s*([^",}\s]+)', raw.decode())


def put(fhir: httpx.Client, id_: str, literal: str) -> None:
    answer = fhir.put(f"Observation/{id_}", content=observation(id_, literal), headers=FHIR_JSON)
    assert answer.status_code in (200, 201), answer.text
    assert literals(answer.content) == [literal]


@pytest.mark.parametrize("literal", SPELLINGS, ids=lambda text: str(text)[:20])
def test_every_way_out_of_the_server_keeps_the_spelling(fhir: httpx.Client, literal: str) -> None:
    put(fhir, "n", literal)
    for url in (
        *(
            "Observation/n",
            "Observation/n?_pretty=true",
            "Observation/n?_summary=true",
            "Observation/n?_elements=value",
        ),
        *("Observation?_id=n", "Observation?_id=n&_summary=data", "Observation/n/_history?_count=1"),
    ):
        assert literals(fhir.get(url).content) == [literal], url
    etag = fhir.get("Observation/n").headers["etag"]
    again = fhir.put("Observation/n", content=observation("n", literal), headers=FHIR_JSON)
    assert again.headers["etag"] == etag
    assert literals(fhir.get(f"Observation/n/_history/{etag.split(chr(34))[1]}").content) == [literal]


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.from_regex(LITERAL, fullmatch=True))
def test_every_decimal_of_r4_comes_back_as_it_was_sent(fhir: httpx.Client, literal: str) -> None:
    put(fhir, "law", literal)
    assert literals(fhir.get("Observation/law").content) == [literal]


def test_lists_of_decimals_keep_the_spelling(fhir: httpx.Client) -> None:
    roc = b'"roc":{"precision":[-0,1e2,-0],"sensitivity":[-0],"fMeasure":[0.0000001,-0]}'
    body = b'{"resourceType":"MolecularSequence","coordinateSystem":0,"quality":[{"type":"indel",%b}]}' % roc
    made = fhir.post("MolecularSequence", content=body, headers=FHIR_JSON)
    assert (made.status_code, roc in made.content) == (201, True)
    assert roc in fhir.get(f"MolecularSequence/{made.json()['id']}?_elements=quality").content


@pytest.mark.parametrize("literal", ["-0", "1.10e-2", "1" * 5000], ids=["minus-zero", "exponent", "long"])
def test_patches_transactions_and_everything_keep_the_spelling(fhir: httpx.Client, literal: str) -> None:
    put(fhir, "p", "7")
    steps = f'[{{"op":"replace","path":"/valueQuantity/value","value":{literal}}}]'
    patched = fhir.patch("Observation/p", content=steps, headers=JSON_PATCH)
    assert (patched.status_code, literals(patched.content)) == (200, [literal])
    issued = '{"op":"add","path":"/issued","value":"2026-01-01T00:00:00Z"}'
    test = f'[{{"op":"test","path":"/valueQuantity/value","value":{literal}}},{issued}]'
    tested = fhir.patch("Observation/p", content=test, headers=JSON_PATCH)
    assert (tested.status_code, literals(tested.content)) == (200, [literal])

    put(fhir, "p", "7")
    part = (
        '{"name":"type","valueCode":"replace"},{"name":"path","valueString":"Observation.value.value"},'
        f'{{"name":"value","valueDecimal":{literal}}}'
    )
    parameters = f'{{"resourceType":"Parameters","parameter":[{{"name":"operation","part":[{part}]}}]}}'
    patched = fhir.patch("Observation/p", content=parameters, headers=FHIR_JSON)
    assert (patched.status_code, literals(patched.content)) == (200, [literal])

    subject = ',"subject":{"reference":"Patient/pat"}'
    entries = (
        '{"resource":{"resourceType":"Patient","id":"pat"},"request":{"method":"PUT","url":"Patient/pat"}},'
        f'{{"resource":{observation("p", literal, more=subject).decode()},'
        '"request":{"method":"PUT","url":"Observation/p"}}'
    )
    bundle = f'{{"resourceType":"Bundle","type":"transaction","entry":[{entries}]}}'
    made = fhir.post("", content=bundle, headers=FHIR_JSON | {"prefer": "return=representation"})
    assert (made.status_code, literals(made.content)) == (200, [literal])
    assert literal in literals(fhir.get("Patient/pat/$everything").content)


@pytest.mark.parametrize(
    "literal", ["-0", "1e2", "1.0", "9223372036854775808", "1" * 5000], ids=lambda text: str(text)[:20]
)
def test_an_integer_is_written_in_digits_and_within_its_range(fhir: httpx.Client, literal: str) -> None:
    body = f'{{"resourceType":"Patient","multipleBirthInteger":{literal}}}'
    refused = fhir.post("Patient", content=body, headers=FHIR_JSON)
    assert refused.status_code == 400
    (issue,) = refused.json()["issue"]
    assert issue["expression"] == ["Patient.multipleBirth"]
    assert "between -2147483648 and 2147483647" in issue["diagnostics"]


def test_an_exponent_that_no_decimal_library_reads_is_refused(fhir: httpx.Client) -> None:
    refused = fhir.post("Observation", content=observation("x", "1e9999999999999999999"), headers=FHIR_JSON)
    assert refused.status_code == 400
    assert "exponent" in diagnostics(refused)


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_a_backup_keeps_the_spelling(tmp_path: Path, kind: str, request: pytest.FixtureRequest) -> None:
    def store(fixture: str) -> tuple[str, ...]:
        return ("--store", request.getfixturevalue(fixture)) if kind == "postgresql" else ()

    server = Server(tmp_path, *store("postgres_database"))
    with server.client() as fhir:
        for number, literal in enumerate(SPELLINGS):
            put(fhir, f"b{number}", literal)
    server.stop()
    backup = tmp_path / "backup"
    made = hilum("backup", backup, "--data", server.data, *store("postgres_database"))
    assert made.returncode == 0, made.stderr
    done = hilum("restore", backup, "--data", server.data, *store("another_database"), "--force")
    assert done.returncode == 0, done.stderr
    server = Server(tmp_path, *store("another_database"))
    with server.client() as fhir:
        found = [literals(fhir.get(f"Observation/b{number}").content) for number in range(len(SPELLINGS))]
    server.stop()
    assert found == [[literal] for literal in SPELLINGS]
