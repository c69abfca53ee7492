"""Signing in at an EHR, from its pages and from ours, against a strict one over real HTTP and one that misbehaves."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from io import StringIO
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from joserfc.jwk import RSAKey
from tests.unit.broker.launched import Browser, Here, at, connection, here, signed_in
from tests.unit.broker.strict import EC, PATIENT, SECRET, Strict, running

from hilum.broker.far import Failed
from hilum.broker.grants import logged, sign_in_of
from hilum.broker.launching import scopes
from hilum.oauth.ledger import EHR_TOKEN, SIGN_IN
from hilum.problems import Conflict, Forbidden, Invalid, NotFound
from hilum.store.memory import MemoryLedger
from hilum.web.outbound import Fetched


@pytest.fixture
async def ehr() -> AsyncIterator[Strict]:
    async with running() as strict:
        yield strict


def asked(location: str) -> dict[str, str]:
    return dict(parse_qsl(urlsplit(location).query))


async def refused(browser: Browser, url: str) -> Failed | Forbidden:
    """Nobody gets in by that, and no token is kept."""
    with pytest.raises((Failed, Forbidden)) as caught:
        await browser.back(url)
    assert await browser.here.ledger.of(EHR_TOKEN) == []
    assert not any("hilum-ehr" in name for name in browser.cookies)
    found = caught.value
    assert isinstance(found, Failed | Forbidden)
    return found


async def test_an_ehr_launch_brings_its_context_and_its_user(tmp_path: Path, ehr: Strict) -> None:
    browser = Browser(await at(tmp_path, ehr))
    location = await browser.launch(ehr.base, "xyz 123&")
    said = asked(location)
    assert (said["launch"], said["scope"], said["aud"]) == (
        "xyz 123&", "launch openid fhirUser offline_access patient/*.rs", ehr.base,
    )  # fmt: skip
    arrived = await browser.back(ehr.agreed(location))
    grant = (await browser.here.launching.grants.get(arrived.grant)).grant
    assert (grant.connection, grant.patient, grant.subject, grant.fhir_user, grant.renewable) == (
        "lake", PATIENT, "kim", f"{ehr.base}/Practitioner/dr", True,
    )  # fmt: skip
    assert await browser.here.renewing.bearer(arrived.grant)() in ehr.access
    assert (arrived.connection, arrived.next) == ("lake", "/gather")


@pytest.mark.parametrize(
    ("scopes", "vendor", "prompt"),
    [
        ("openid offline_access patient/*.rs", "plain", "consent"),
        ("openid patient/*.rs", "plain", None),
        ("offline_access patient/*.rs", "plain", None),  # SMART without OpenID Connect
        ("openid offline_access patient/Patient.rs", "epic", None),
        ("openid offline_access patient/Patient.rs", "oracle", None),
        ("openid offline_access patient/Patient.rs", "meditech", None),
    ],
)
async def test_an_openid_provider_is_asked_for_consent_where_offline_access_is_wanted(
    tmp_path: Path, ehr: Strict, scopes: str, vendor: str, prompt: str | None
) -> None:
    browser = Browser(await at(tmp_path, ehr, registered={"user_scopes": scopes, "vendor": vendor}))
    assert asked(await browser.connect()).get("prompt") == prompt
    assert asked(await browser.launch(ehr.base)).get("prompt") == prompt


async def test_from_here_the_ehr_has_to_find_the_patient_and_the_browser_goes_on(tmp_path: Path, ehr: Strict) -> None:
    browser = Browser(await at(tmp_path, ehr))
    location = await browser.connect(next="/gather?recipe=video")
    assert asked(location)["scope"] == "launch/patient openid fhirUser offline_access patient/*.rs"
    assert (await browser.back(ehr.agreed(location))).next == "/gather?recipe=video"


@pytest.mark.parametrize(
    "next", ["https://evil.example", "//evil.example", "/\\evil.example", "", "javascript:alert(1)"]
)
async def test_the_browser_is_sent_to_nobody_else(tmp_path: Path, ehr: Strict, next: str) -> None:
    browser = Browser(await at(tmp_path, ehr))
    assert (await browser.back(ehr.agreed(await browser.connect(next=next)))).next == "/gather"


@pytest.mark.parametrize(
    ("registered", "launched", "expected"),
    [
        ("launch openid patient/*.rs", True, "launch openid patient/*.rs"),
        ("launch openid patient/*.rs", False, "launch/patient openid patient/*.rs"),
        ("openid launch/patient patient/*.rs", True, "launch openid patient/*.rs"),
        ("openid launch/encounter patient/*.rs", False, "openid launch/encounter patient/*.rs"),
        ("openid user/*.rs", False, "openid user/*.rs"),
        ("user/*.rs user/*.rs", True, "launch user/*.rs"),
    ],
)
def test_context_is_asked_for_as_the_launch_needs_it(registered: str, launched: bool, expected: str) -> None:
    assert scopes(registered, launched=launched) == expected


async def test_a_launch_by_an_issuer_that_is_not_connected_goes_nowhere(tmp_path: Path, ehr: Strict) -> None:
    found = await at(tmp_path, ehr)
    for stranger in ("https://evil.example/fhir", f"{ehr.base}.evil.example", f"{ehr.base}/..", ehr.origin):
        with pytest.raises(Forbidden, match="No EHR"):
            await Browser(found).launch(stranger)
    assert (ehr.seen, await found.ledger.of(SIGN_IN)) == ([], []), "not even discovery was asked"


async def test_a_launch_needs_an_issuer_and_a_context(tmp_path: Path, ehr: Strict) -> None:
    browser = Browser(await at(tmp_path, ehr))
    for iss, context in ((ehr.base, ""), ("", "xyz"), (ehr.base, "x" * 2049), (ehr.base, "x\n")):
        with pytest.raises(Invalid):
            await browser.launch(iss, context)


async def test_an_issuer_with_a_slash_at_its_end_is_the_same_and_is_the_audience(tmp_path: Path, ehr: Strict) -> None:
    browser = Browser(await at(tmp_path, ehr))
    location = await browser.launch(f"{ehr.base}/")
    assert asked(location)["aud"] == f"{ehr.base}/"
    await browser.back(ehr.agreed(location))


async def test_of_two_connections_to_one_ehr_the_launch_names_one(tmp_path: Path, ehr: Strict) -> None:
    found = await at(tmp_path, ehr)
    await found.connections.add(connection(ehr.base, name="pond", client_id="other"), SECRET)
    with pytest.raises(Conflict, match="/launch/NAME"):
        await Browser(found).launch(ehr.base)
    assert asked(await Browser(found).launch(ehr.base, ehr="pond"))["client_id"] == "other"


@pytest.mark.parametrize(
    "registered",
    [{"disabled": True}, {"grants": ("client_credentials",), "user_scopes": "", "system_scopes": "system/*.rs"}],
)
async def test_a_connection_that_is_not_for_people_signs_nobody_in(
    tmp_path: Path, ehr: Strict, registered: dict[str, Any]
) -> None:
    browser = Browser(await at(tmp_path, ehr, registered=registered))
    with pytest.raises(Forbidden):
        await browser.launch(ehr.base)
    with pytest.raises(Forbidden):
        await browser.connect()
    with pytest.raises(NotFound):
        await browser.connect("elsewhere")


async def test_relative_endpoints_are_those_of_the_ehr(tmp_path: Path, ehr: Strict) -> None:
    ehr.metadata = {"authorization_endpoint": "/oauth2/authorize", "token_endpoint": "/oauth2/token"}
    await signed_in(await at(tmp_path, ehr), ehr)


@pytest.mark.parametrize(
    "metadata", [{"authorization_endpoint": None}, {"authorization_endpoint": "javascript:alert(1)"}]
)
async def test_an_ehr_that_does_not_say_where_to_sign_in_is_broken(
    tmp_path: Path, ehr: Strict, metadata: dict[str, Any]
) -> None:
    ehr.metadata = metadata
    with pytest.raises(Failed, match="broken"):
        await Browser(await at(tmp_path, ehr)).connect()


@pytest.mark.parametrize("method", ["none", "client_secret_basic", "client_secret_post"])
async def test_hilum_proves_who_it_is_as_it_is_registered(tmp_path: Path, ehr: Strict, method: str) -> None:
    found = here(tmp_path)
    await found.connections.add(connection(ehr.base, method=method), "" if method == "none" else SECRET)
    await signed_in(found, ehr)
    assert ("client_secret" in ehr.asked[0]) == (method == "client_secret_post")


# --- who comes back ---------------------------------------------------------------------------------------------------


async def test_the_cookie_is_for_this_host_for_https_and_for_frames(tmp_path: Path, ehr: Strict) -> None:
    browser = Browser(await at(tmp_path, ehr))
    await browser.back(ehr.agreed(await browser.connect()))
    assert [one.partition("=")[0] for one in browser.set] == ["__Host-hilum-launch", "__Host-hilum-ehr"]
    for one in browser.set:
        assert one.partition("; ")[2].rpartition("; ")[0] == "Path=/; HttpOnly; SameSite=None; Secure; Partitioned"


async def test_an_answer_is_taken_in_its_own_browser_and_once(tmp_path: Path, ehr: Strict) -> None:
    found = await at(tmp_path, ehr)
    browser, thief = Browser(found), Browser(found)
    url = ehr.agreed(await browser.connect())
    await thief.connect()
    await refused(thief, url)
    await refused(Browser(found), url)
    await browser.back(url)
    with pytest.raises(Forbidden):
        await browser.back(url)
    assert len(ehr.asked) == 1, "the code was sent once"


async def test_of_many_that_come_at_once_with_one_state_one_gets_on(tmp_path: Path, ehr: Strict) -> None:
    browser = Browser(await at(tmp_path, ehr))
    url = ehr.agreed(await browser.connect())
    done = await asyncio.gather(*(browser.back(url) for _ in range(10)), return_exceptions=True)
    assert sorted(type(one).__name__ for one in done) == ["Arrived", *["Forbidden"] * 9]
    assert len(ehr.asked) == 1


async def test_two_pages_of_one_browser_sign_in_side_by_side_and_the_last_stands_for_the_ehr(
    tmp_path: Path, ehr: Strict
) -> None:
    found = await at(tmp_path, ehr)
    browser = Browser(found)
    first, second = await browser.connect(), await browser.connect()
    grants = tuple([(await browser.back(ehr.agreed(one))).grant for one in (second, first)])
    assert await found.launching.sessions.grants(browser.headers) == grants[1:]
    await found.launching.grants.forget(grants[1])  # who was there before does not come to light again
    assert await found.launching.sessions.grants(browser.headers) == grants[1:]
    assert (await found.launching.grants.get(grants[0])).grant.patient == PATIENT  # what was ordered goes on
    assert await found.launching.sessions.grants(Browser(found).headers) == ()


async def test_nobody_is_sent_to_sign_in_over_plain_http_by_an_ehr_of_https(tmp_path: Path) -> None:
    said = {"authorization_endpoint": "http://lake.example/authorize", "token_endpoint": "https://lake.example/token"}

    async def sender(method: str, url: str, headers: Any, body: bytes, *, limit: int) -> Fetched:
        return Fetched(200, {}, json.dumps(said).encode())

    found = here(tmp_path, sender)
    await found.connections.add(connection("https://lake.example/fhir", user_scopes="patient/*.rs"), SECRET)
    with pytest.raises(Failed, match="plain http"):
        await Browser(found).connect()


async def test_each_sign_in_makes_a_new_cookie_and_the_old_one_is_nothing(tmp_path: Path, ehr: Strict) -> None:
    found = await at(tmp_path, ehr)
    browser = Browser(found)
    await browser.back(ehr.agreed(await browser.connect()))
    planted = Browser(found, dict(browser.cookies))
    await browser.back(ehr.agreed(await browser.connect()))
    assert await found.launching.sessions.grants(planted.headers) == ()
    browser.cookies["__Host-hilum-ehr"] = dict(browser.cookies)["__Host-hilum-ehr"]
    await found.launching.sessions.left(browser.headers)
    assert await found.launching.sessions.grants(browser.headers) == ()


@pytest.mark.parametrize("state", ["another", "", None])
async def test_a_state_that_was_not_given_is_refused(tmp_path: Path, ehr: Strict, state: str | None) -> None:
    browser = Browser(await at(tmp_path, ehr))
    ehr.answers = {"state": state}
    await refused(browser, ehr.agreed(await browser.connect()))
    assert ehr.asked == []


async def test_an_answer_by_another_issuer_is_refused_and_its_code_sent_nowhere(tmp_path: Path, ehr: Strict) -> None:
    browser = Browser(await at(tmp_path, ehr))
    for answers in ({"iss": "https://evil.example"}, {"iss": f"{ehr.origin}.evil.example"}):
        ehr.answers = answers
        await refused(browser, ehr.agreed(await browser.connect()))
    assert ehr.asked == []


async def test_an_issuer_that_names_itself_with_a_slash_or_not_at_all_is_who_it_was(
    tmp_path: Path, ehr: Strict
) -> None:
    browser = Browser(await at(tmp_path, ehr))
    for answers in ({"iss": f"{ehr.origin}/"}, {"iss": None}):
        ehr.answers = answers
        await browser.back(ehr.agreed(await browser.connect()))


async def test_an_ehr_that_says_that_its_answers_name_it_is_held_to_that(tmp_path: Path, ehr: Strict) -> None:
    ehr.metadata = {"authorization_response_iss_parameter_supported": True}
    browser = Browser(await at(tmp_path, ehr))
    ehr.answers = {"iss": None}
    await refused(browser, ehr.agreed(await browser.connect()))
    ehr.answers = {}
    await browser.back(ehr.agreed(await browser.connect()))


async def test_an_answer_at_another_ehrs_address_is_refused(tmp_path: Path, ehr: Strict) -> None:
    found = await at(tmp_path, ehr)
    await found.connections.add(connection(ehr.base, name="pond"), SECRET)
    browser = Browser(found)
    await refused(browser, ehr.agreed(await browser.connect()).replace("/callback/lake", "/callback/pond"))
    assert ehr.asked == []


async def test_a_parameter_that_is_there_twice_is_refused(tmp_path: Path, ehr: Strict) -> None:
    browser = Browser(await at(tmp_path, ehr))
    url = ehr.agreed(await browser.connect())
    for name in ("state", "code", "iss", "error"):
        with pytest.raises(Invalid, match=name):
            await Browser(browser.here, dict(browser.cookies)).back(f"{url}&{name}=1&{name}=2")
        url = ehr.agreed(await browser.connect())


@pytest.mark.parametrize(
    ("answers", "kind", "codes"),
    [
        ({"error": "access_denied", "code": None}, "forbidden", ("access_denied",)),
        ({"error": "temporarily_unavailable", "code": None}, "throttled", ("temporarily_unavailable",)),
        ({"error": "Ada Stone is dead", "code": None}, "refused", ("none",)),
        ({"error": "access_denied"}, "forbidden", ("access_denied",)),
        ({"code": None}, "refused", ("none",)),
    ],
)
async def test_who_was_not_let_in_is_told_so_in_our_words(
    tmp_path: Path, ehr: Strict, answers: dict[str, Any], kind: str, codes: tuple[str, ...]
) -> None:
    browser = Browser(await at(tmp_path, ehr))
    ehr.answers = answers
    found = await refused(browser, ehr.agreed(await browser.connect()))
    assert isinstance(found, Failed)
    assert (found.kind, found.codes, ehr.asked) == (kind, codes, [])
    assert "Ada" not in str(found)


async def test_what_takes_too_long_has_ended(tmp_path: Path, ehr: Strict) -> None:
    now = [1_900_000_000.0]
    ledger = MemoryLedger(lambda: int(now[0] * 1_000_000))
    found = await at(tmp_path, ehr, ledger=ledger, clock=lambda: now[0])
    browser = Browser(found)
    url = ehr.agreed(await browser.connect())
    now[0] += 601
    await refused(browser, url)


async def test_a_connection_that_was_aimed_elsewhere_meanwhile_gets_no_code(tmp_path: Path, ehr: Strict) -> None:
    found = await at(tmp_path, ehr)
    browser = Browser(found)
    url = ehr.agreed(await browser.connect())
    await found.connections.remove("lake")
    await found.connections.add(connection("https://evil.example/fhir"), SECRET)
    await refused(browser, url)
    assert ehr.asked == []


# --- what comes for the code ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("claims", "kind"),
    [
        ({"iss": "https://evil.example"}, "issuer"),
        ({"aud": "another"}, "audience"),
        ({"aud": ["hilum-at-lake", "another"]}, "party"),
        ({"azp": "another"}, "party"),
        ({"exp": 1}, "expired"),
        ({"exp": None}, "expired"),
        ({"exp": True}, "expired"),
        ({"iat": 1}, "issued"),
        ({"iat": 4_000_000_000}, "issued"),
        ({"nonce": "another"}, "nonce"),
        ({"nonce": None}, "nonce"),
        ({"sub": ""}, "subject"),
    ],
)
async def test_an_id_token_that_is_not_for_this_sign_in_lets_nobody_in(
    tmp_path: Path, ehr: Strict, claims: dict[str, Any], kind: str
) -> None:
    browser = Browser(await at(tmp_path, ehr))
    ehr.claims = claims
    found = await refused(browser, ehr.agreed(await browser.connect()))
    assert isinstance(found, Failed)
    assert found.codes == (kind,)


@pytest.mark.parametrize(("forged", "kind"), [("none", "token"), ("HS256", "algorithm")])
async def test_an_id_token_of_no_algorithm_or_signed_with_the_public_key_lets_nobody_in(
    tmp_path: Path, ehr: Strict, forged: str, kind: str
) -> None:
    browser = Browser(await at(tmp_path, ehr))
    ehr.forged = forged
    found = await refused(browser, ehr.agreed(await browser.connect()))
    assert isinstance(found, Failed)
    assert found.codes[0] in (kind, "algorithm")


async def test_an_id_token_of_another_key_or_none_at_all_lets_nobody_in(tmp_path: Path, ehr: Strict) -> None:
    browser = Browser(await at(tmp_path, ehr))
    ehr.signs = RSAKey.generate_key(2048, {"kid": "rsa"})
    await refused(browser, ehr.agreed(await browser.connect()))
    ehr.said = {"id_token": None}
    await refused(browser, ehr.agreed(await browser.connect()))


async def test_an_id_token_of_an_elliptic_key_holds(tmp_path: Path, ehr: Strict) -> None:
    ehr.signs, ehr.algorithm = EC, "ES384"
    await signed_in(await at(tmp_path, ehr), ehr)


async def test_an_ehr_that_does_not_give_openid_says_nothing_of_who_it_was(tmp_path: Path, ehr: Strict) -> None:
    found = await at(tmp_path, ehr)
    ehr.said = {"id_token": None, "scope": "patient/*.rs"}
    grant = (await found.launching.grants.get(await signed_in(found, ehr))).grant
    assert (grant.subject, grant.scopes) == ("", "patient/*.rs")


@pytest.mark.parametrize("metadata", [{"jwks_uri": None}, {"jwks_uri": None, "issuer": None}])
async def test_an_ehr_of_before_smart_2_tells_its_keys_by_openid_configuration(
    tmp_path: Path, ehr: Strict, metadata: dict[str, Any]
) -> None:
    ehr.metadata = metadata
    found = await at(tmp_path, ehr)
    grant = await signed_in(found, ehr)
    kept = await found.launching.grants.get(grant)
    assert (kept.grant.issuer, kept.grant.subject) == (ehr.origin, "kim")
    await found.renewing.current(grant, refused=kept.grant.generation)


async def test_a_provider_that_calls_itself_another_is_not_gone_to(tmp_path: Path, ehr: Strict) -> None:
    ehr.metadata, ehr.provider = {"jwks_uri": None}, {"issuer": "https://evil.example"}
    with pytest.raises(Failed, match="openid"):
        await Browser(await at(tmp_path, ehr)).connect()


@pytest.mark.parametrize(
    "said",
    [
        {"access_token": None},
        {"access_token": "a\r\nX-Evil: 1"},
        {"access_token": 7},
        {"token_type": "mac"},
        {"token_type": None},
        {"patient": "../../admin"},
        {"patient": ".."},
        {"patient": ["a"]},
        {"refresh_token": 7},
    ],
)
async def test_a_token_response_that_can_not_be_used_is_not_kept(
    tmp_path: Path, ehr: Strict, said: dict[str, Any]
) -> None:
    browser = Browser(await at(tmp_path, ehr))
    ehr.said = said
    await refused(browser, ehr.agreed(await browser.connect()))


async def test_a_code_that_does_not_hold_is_told_as_such(tmp_path: Path, ehr: Strict) -> None:
    browser = Browser(await at(tmp_path, ehr))
    ehr.answers = {"code": "another"}
    found = await refused(browser, ehr.agreed(await browser.connect()))
    assert isinstance(found, Failed)
    assert (found.kind, found.status, found.codes) == ("unauthorized", 400, ("invalid_grant",))


@pytest.mark.parametrize(("vendor", "tries"), [("epic", 3), ("plain", 1)])
async def test_a_bare_400_is_tried_again_where_the_table_of_vendors_says_so(
    tmp_path: Path, ehr: Strict, vendor: str, tries: int
) -> None:
    browser = Browser(await at(tmp_path, ehr, registered={"vendor": vendor}))

    async def bare(form: dict[str, str]) -> tuple[int, Any, dict[str, str]] | None:
        return (400, b"", {}) if len(ehr.asked) < 3 else None

    ehr.before = bare
    url = ehr.agreed(await browser.connect())
    if tries == 1:
        await refused(browser, url)
    else:
        await browser.back(url)
    assert len(ehr.asked) == tries


@pytest.mark.parametrize(
    "slashed", [(), ("launch",), ("smart",), ("answer",), ("id_token",), ("launch", "smart", "answer", "id_token")]
)
@pytest.mark.parametrize("registered", [False, True])
async def test_an_ehr_as_meditech_launches_with_a_slash_at_the_end_of_its_issuer_wherever_it_writes_one(
    tmp_path: Path, ehr: Strict, slashed: tuple[str, ...], registered: bool
) -> None:
    def issuer(place: str) -> dict[str, str]:
        return {"iss": f"{ehr.origin}/"} if place in slashed else {}

    ehr.metadata = {"issuer": f"{ehr.origin}/"} if "smart" in slashed else {}
    ehr.answers, ehr.claims = issuer("answer"), issuer("id_token")
    more = {"issuer": f"{ehr.base}/"} if registered else {}
    found = await at(tmp_path, ehr, registered={"vendor": "meditech", **more})
    launched = f"{ehr.base}/" if "launch" in slashed else ehr.base
    browser = Browser(found)
    location = await browser.launch(launched)
    assert asked(location)["aud"] == launched, "what an EHR calls itself is told it again to the letter"
    arrived = await browser.back(ehr.agreed(location))
    grant = (await found.launching.grants.get(arrived.grant)).grant
    assert (grant.base, grant.patient, grant.fhir_user) == (ehr.base, PATIENT, f"{ehr.base}/Practitioner/dr")
    assert (await found.renewing.current(arrived.grant, refused=1)).grant.generation == 2


async def test_the_log_tells_sign_ins_apart_and_holds_nothing_to_use_one_by(
    tmp_path: Path, ehr: Strict, written: StringIO
) -> None:
    browser = Browser(await at(tmp_path, ehr))
    arrived = await browser.back(ehr.agreed(await browser.connect()))
    await browser.here.renewing.current(arrived.grant, refused=1)
    said = written.getvalue()
    assert said.count(logged(arrived.grant)) == 2, "signed in, and renewed"
    assert arrived.grant not in said + repr(arrived)
    assert sign_in_of(arrived.grant) not in said


async def test_what_is_kept_of_a_sign_in_is_no_token_nor_code_verifier(tmp_path: Path, ehr: Strict) -> None:
    found: Here = await at(tmp_path, ehr)
    browser = Browser(found)
    location = await browser.connect()
    url = ehr.agreed(location)
    begun = await found.ledger.of(SIGN_IN)
    await browser.back(url)
    (row,) = await found.ledger.of(EHR_TOKEN)
    kept = b"".join(one.key + one.value for one in [*begun, row, *await found.ledger.of(SIGN_IN)])
    secrets = [*ehr.access, *ehr.refresh, ehr.asked[0]["code"], ehr.asked[0]["code_verifier"], asked(location)["state"]]
    secrets += browser.cookies.values()
    assert [one for one in secrets if one.encode() in kept] == []
    assert row.owner == b"lake"
