"""What `hilum ehr check` tells: step by step, what works, what fails, whose side it is on and what to do."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from tests.unit.broker import ehr
from tests.unit.broker.ehr import HERE, Ehr, Keys, Said, broker, connection, granted, said

from hilum.broker import checking
from hilum.broker.checking import Step, searched, untried, works
from hilum.broker.discovery import Discovery
from hilum.problems import Misconfigured

DATE = "Fri, 15 Jan 2027 08:00:00 GMT"
METADATA = said(200, {"resourceType": "CapabilityStatement", "fhirVersion": "4.0.1"})
BUNDLE = said(200, {"resourceType": "Bundle", "entry": [{"resource": {"id": "Zoe-Miller"}}]})


def telling(
    token: Said | None = None, metadata: Said = METADATA, read: Said = BUNDLE, **configuration: Any
) -> Callable[[str, str, Mapping[str, str]], Said]:
    def tell(method: str, path: str, form: Mapping[str, str]) -> Said:
        if method == "POST":
            return token or granted()
        if path.endswith("smart-configuration"):
            return said(200, {"token_endpoint": "/token"} | configuration, date=DATE)
        return metadata if path.endswith("/metadata") else read

    return tell


async def checked(folder: Path, here: Ehr, keys: Any = None, **other: Any) -> list[Step]:
    lake = connection(here.base, **other)
    used = keys or Keys()
    one = broker(folder, here.clock, keys=used)
    if lake.method.startswith("client_secret"):
        lake = await one.connections.add(lake, "word")
    discovery = Discovery(HERE, here.clock)
    return [step async for step in checking.steps(lake, one.backend, discovery, used, HERE, "https://hilum.test")]


async def found(folder: Path, tell: Any, **other: Any) -> dict[str, Step]:
    async with ehr.telling(tell) as here:
        return {step.step: step for step in await checked(folder, here, **other)}


async def test_a_connection_that_works_is_told_step_by_step(tmp_path: Path) -> None:
    async with ehr.telling(telling()) as here:
        all = await checked(tmp_path, here)
    token = here.base.replace("/fhir", "/token")
    assert all == [
        Step("discovery", "works", f"smart-configuration names the token endpoint {token}"),
        Step("clock", "works", "The clocks agree to the minute that assertions allow."),
        Step("key", "works", "ES384, kid one"),
        Step("sign-in", "works", "The EHR gave a token for 300 seconds."),
        Step("scopes", "works", "All that were asked for were given."),
        Step("metadata", "works", "A CapabilityStatement of FHIR 4.0.1."),
        Step("read", "works", "A search of Patient was answered with a Bundle."),
    ]
    assert works(all)
    assert "Zoe" not in repr(all)


async def test_hilum_itself_refuses_a_key_that_it_does_not_know(tmp_path: Path) -> None:
    async with ehr.hilum(jwks=ehr.published("another")) as here:
        all = {step.step: step for step in await checked(tmp_path, here)}
    step = all["sign-in"]
    assert (step.state, step.side) == ("fails", "ours")
    assert (
        step.found
        == "The EHR does not know the key (kid) that signed, or has another one by that name (invalid_client)."
    )
    assert "JWK Set of the sandbox" in step.todo
    assert "read" not in all
    assert all["metadata"].state == "fails", "whatever the sign-in says, the base URL is looked at"


async def test_where_discovery_fails_nothing_else_is_tried(tmp_path: Path) -> None:
    async with ehr.telling(telling()) as here:
        base = here.base
    here.base = base
    (step,) = await checked(tmp_path, here)
    assert step == Step(
        "discovery",
        "fails",
        "127.0.0.1: no connection could be made, or it was cut.",
        "Look whether a firewall lets this machine out to that host; else the EHR is down.",
        "network",
    )


@pytest.mark.parametrize(
    ("host", "found", "may_be_opened"),
    [
        ("10.0.0.1", "within a private network", True),
        ("169.254.169.254", "link-local, where clouds keep keys", False),
        ("192.0.2.1", "or set apart otherwise", False),
    ],
)
async def test_an_operator_is_told_to_open_an_address_only_where_that_opens_it(
    tmp_path: Path, host: str, found: str, may_be_opened: bool
) -> None:
    lake = connection(f"https://{host}/r4")
    one, keys = broker(tmp_path, ehr.Clock(), keys=Keys()), Keys()
    (step,) = [step async for step in checking.steps(lake, one.backend, Discovery(HERE), keys, HERE)]
    assert (step.step, step.state, step.side) == ("discovery", "fails", "ours")
    assert found in step.found
    assert ("--allow-private-keys" in step.todo) is may_be_opened


@pytest.mark.parametrize(
    ("status", "body", "state", "side", "says"),
    [
        (200, {"resourceType": "OperationOutcome"}, "fails", "theirs", "no FHIR"),
        (200, b"<html>", "fails", "theirs", "no FHIR"),
        (400, {"resourceType": "OperationOutcome"}, "works", "", "narrower"),
        (422, b"", "works", "", "narrower"),
        (401, b"", "fails", "theirs", "does not take it"),
        (403, b"", "fails", "ours", "does not allow a search of Patient"),
        (404, b"", "fails", "ours", "no Patient below the base"),
        (429, b"", "note", "theirs", "less often"),
        (500, b"", "fails", "theirs", "fails by itself"),
        (418, b"", "fails", "theirs", "no FHIR"),
    ],
)
async def test_what_an_answer_to_a_search_means(
    tmp_path: Path, status: int, body: Any, state: str, side: str, says: str
) -> None:
    step = (await found(tmp_path, telling(read=said(status, body))))["read"]
    assert (step.state, step.side) == (state, side)
    assert says in step.found


@pytest.mark.parametrize(
    ("answer", "state", "says"),
    [
        (said(200, {"resourceType": "CapabilityStatement", "fhirVersion": "3.0.2"}), "fails", "FHIR 3.0.2"),
        (said(200, {"resourceType": "CapabilityStatement"}), "note", "names no version"),
        (said(200, {"resourceType": "CapabilityStatement", "fhirVersion": "<b>"}), "note", "names no version"),
        (said(200, {"resourceType": "Conformance"}), "fails", "no CapabilityStatement"),
        (said(502), "fails", "Status 502"),
    ],
)
async def test_what_an_answer_to_metadata_means(tmp_path: Path, answer: Said, state: str, says: str) -> None:
    step = (await found(tmp_path, telling(metadata=answer)))["metadata"]
    assert step.state == state
    assert says in step.found


async def test_clocks_that_differ_are_told_before_the_sign_in_fails_by_it(tmp_path: Path) -> None:
    async with ehr.telling(telling(token=said(401, {"error": "invalid_client"}, date=DATE))) as here:
        here.clock.now += 200
        all = {step.step: step for step in await checked(tmp_path, here)}
    assert (all["clock"].state, all["clock"].found) == ("note", "The EHR's clock is 200 seconds behind ours.")
    assert "differ by 200 seconds" in all["sign-in"].found
    assert "NTP" in all["sign-in"].todo


async def test_what_the_ehr_does_not_list_is_noted_and_tried_all_the_same(tmp_path: Path) -> None:
    async with ehr.telling(
        telling(
            grant_types_supported=["authorization_code"],
            token_endpoint_auth_methods_supported=["client_secret_basic"],
            token_endpoint_auth_signing_alg_values_supported=["RS384"],
        )
    ) as here:
        all = await checked(tmp_path, here)
    noted = [step.found for step in all if step.step == "abilities"]
    assert [one.split()[5].rstrip(":") for one in noted] == ["private_key_jwt", "client_credentials", "ES384"]
    assert works(all)


async def test_scopes_that_were_not_given_are_named_by_what_was_asked_for(tmp_path: Path) -> None:
    all = await found(
        tmp_path,
        telling(token=granted(scope="system/Patient.read")),
        system_scopes="system/Patient.read system/Condition.read",
    )
    assert (all["scopes"].state, all["scopes"].side) == ("note", "ours")
    assert all["scopes"].found == "Not given as they were asked for: system/Condition.read."


async def test_a_connection_for_people_is_looked_at_without_signing_in(tmp_path: Path) -> None:
    other: dict[str, Any] = {
        "grants": ("authorization_code",), "system_scopes": "", "user_scopes": "launch/patient patient/*.rs",
    }  # fmt: skip
    all = await found(tmp_path, telling(authorization_endpoint="/authorize"), method="none", **other)
    assert [(step.step, step.state) for step in all.values()] == [
        ("discovery", "works"), ("clock", "works"), ("launch", "skipped"), ("metadata", "works"), ("read", "skipped"),
    ]  # fmt: skip
    assert (works([*all.values()]), untried([*all.values()])) == (True, ["launch", "read"])
    todo = all["launch"].todo
    assert "register https://hilum.test/callback/lake as redirect URI" in todo
    assert "open https://hilum.test/connect/lake in a browser" in todo
    assert (await found(tmp_path, telling(), method="none", **other))["abilities"].state == "fails"


async def test_a_connection_for_both_signs_in_by_itself_and_leaves_the_person_s_sign_in_to_one(tmp_path: Path) -> None:
    grants = ("client_credentials", "authorization_code")
    configuration = telling(authorization_endpoint="/authorize")
    all = list((await found(tmp_path, configuration, grants=grants, user_scopes="patient/*.rs")).values())
    assert untried(all) == ["launch"]
    assert {step.step for step in all if step.state == "works"} >= {"key", "sign-in", "read"}


async def test_a_missing_key_is_ours_to_make(tmp_path: Path) -> None:
    class Keyless(Keys):
        async def signing(self, alg: str) -> Any:
            raise Misconfigured(f"There is no client key for {alg}. Make one.")

    async with ehr.telling(telling()) as here:
        all = {step.step: step for step in await checked(tmp_path, here, keys=Keyless())}
    assert all["key"] == Step("key", "fails", "There is no client key for ES384. Make one.", side="ours")
    assert here.asked == []
    assert (untried(list(all.values())), "sign-in" in all) == ([], False)


async def test_a_key_that_is_missing_is_told_before_a_person_comes_to_sign_in(tmp_path: Path) -> None:
    class Keyless(Keys):
        async def signing(self, alg: str) -> Any:
            raise Misconfigured(f"There is no client key for {alg}. Make one.")

    wish: dict[str, Any] = {"grants": ("authorization_code",), "system_scopes": "", "user_scopes": "patient/*.rs"}
    async with ehr.telling(telling(authorization_endpoint="/authorize")) as here:
        all = {step.step: step for step in await checked(tmp_path, here, keys=Keyless(), **wish)}
    assert (all["key"].state, all["launch"].state) == ("fails", "skipped")


@pytest.mark.parametrize(("origin", "todo"), [("kim", "hilum ehr change lake --enable"), ("file", "ehrs.toml")])
async def test_a_disabled_connection_is_checked_and_said_to_be(tmp_path: Path, origin: str, todo: str) -> None:
    step = (await found(tmp_path, telling(), disabled=True, origin=origin))["connection"]
    assert (step.state, todo in step.todo) == ("note", True)


@pytest.mark.parametrize(
    ("scopes", "type"),
    [
        ("system/*.rs", "Patient"),
        ("system/*.*", "Patient"),
        ("system/Observation.rs system/Patient.s", "Patient"),
        ("system/Observation.read system/Condition.read", "Observation"),
        ("system/Observation.rs?category=laboratory", "Observation"),
        ("system/Patient.r", None),
        ("system/Patient.write", None),
        ("system/Nothing.read", None),
        ("patient/Patient.rs launch", None),
        ("system/Patient." + "s" * 100_000, None),
        ("", None),
    ],
)
def test_what_is_read_is_what_the_scopes_allow(scopes: str, type: str | None) -> None:
    assert searched(scopes) == type
