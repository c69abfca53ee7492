"""Backend Services: one token for all who need it, until shortly before it ends.

https://hl7.org/fhir/smart-app-launch/backend-services.html
"""

from __future__ import annotations

import asyncio
import base64
import gzip
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from tests.unit.broker import ehr
from tests.unit.broker.ehr import answering, broker, connection, granted, said
from tests.unit.smart.pages import Clock

from hilum.broker import backend
from hilum.broker.connections import fingerprint
from hilum.broker.far import Failed
from hilum.broker.reach import Send
from hilum.oauth import jwt
from hilum.oauth.lease import Lease, Leases
from hilum.oauth.ledger import EHR_TOKEN, LEASE, NEVER, read
from hilum.problems import Invalid, Misconfigured
from hilum.store.memory import MemoryLedger
from hilum.web.outbound import Fetched

REFUSED = said(401, {"error": "invalid_client"})


@pytest.mark.parametrize("alg", ["RS384", "ES384"])
async def test_hilum_s_own_authorization_server_gives_a_token(tmp_path: Path, alg: str) -> None:
    async with ehr.hilum() as here:
        one = broker(tmp_path, here.clock)
        token = await one.backend.token(connection(here.base, alg=alg))
        assert here.world is not None
        assert (await here.world.site.verifier.admit(token)).client == "broker"
        form = here.asked[0]
        head, claims = jwt.unverified(form.pop("client_assertion"))
        assert form == {
            "grant_type": "client_credentials",
            "scope": "system/*.rs",
            "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
        }
        assert head == {"alg": alg, "kid": "one", "typ": "JWT"}
        assert claims == {
            "iss": "broker",
            "sub": "broker",
            "aud": f"{here.base.removesuffix('/fhir')}/auth/token",
            "exp": int(here.clock()) + 240,
            "jti": claims["jti"],
        }


async def test_a_secret_proves_who_asks_where_the_ehr_has_it_so(tmp_path: Path) -> None:
    """Both parts are form-encoded first: https://www.rfc-editor.org/rfc/rfc6749#section-2.3.1"""
    wish = {"grant_type": "client_credentials", "scope": "system/*.rs"}
    async with ehr.telling(answering(granted())) as here:
        one = broker(tmp_path, here.clock)
        for name, method in (("basic", "client_secret_basic"), ("post", "client_secret_post")):
            lake = connection(here.base, name=name, method=method, client_id="a+b c")
            await one.backend.token(await one.connections.add(lake, "s:%"))
    assert here.asked == [wish, {**wish, "client_id": "a+b c", "client_secret": "s:%"}]
    assert here.proofs == [f"Basic {base64.b64encode(b'a%2Bb+c:s%3A%25').decode()}", ""]


async def test_an_ehr_that_compresses_unasked_gives_tokens_all_the_same(tmp_path: Path) -> None:
    """As some gateways do, whatever `accept-encoding` says."""
    status, body, _ = granted("compressed")
    zipped = ehr.said(status, gzip.compress(json.dumps(body).encode()), content_encoding="gzip")
    async with ehr.telling(answering(zipped)) as here:
        assert await broker(tmp_path, here.clock).backend.token(connection(here.base)) == "compressed"


async def test_a_token_is_asked_for_once_until_shortly_before_it_ends(tmp_path: Path) -> None:
    async with ehr.telling(answering(granted("first", 300), granted("second", 300))) as here:
        one = broker(tmp_path, here.clock)
        lake = connection(here.base)
        assert [await one.backend.token(lake) for _ in range(3)] == ["first"] * 3
        here.clock.now += 269
        assert await one.backend.token(lake) == "first"
        here.clock.now += 1
        assert await one.backend.token(lake) == "second"
        assert len(here.asked) == 2


@pytest.mark.parametrize(
    ("said_seconds", "used_seconds"),
    [(300, 270), (570, 540), (60, 48), ("300", 270), (None, 270), (-1, 270), (True, 270), (1e18, 270), (10**7, 86370)],
)
async def test_a_token_is_used_for_most_of_the_time_that_the_ehr_says(
    tmp_path: Path, said_seconds: Any, used_seconds: int
) -> None:
    async with ehr.telling(answering(granted(seconds=said_seconds))) as here:
        one = broker(tmp_path, here.clock)
        await one.backend.token(connection(here.base))
        row = await one.ledger.get(EHR_TOKEN, bytes.fromhex(fingerprint(connection(here.base))))
        assert row is not None
        assert row.expires == int((ehr.Clock()() + used_seconds) * 1_000_000)


async def test_another_process_uses_the_same_token_and_the_ledger_does_not_show_it(tmp_path: Path) -> None:
    async with ehr.telling(answering(granted("a.secret.token"))) as here:
        one = broker(tmp_path, here.clock)
        other = broker(tmp_path, here.clock, one.ledger)
        lake = connection(here.base)
        assert await one.backend.token(lake) == await other.backend.token(lake) == "a.secret.token"
        assert len(here.asked) == 1
        rows = await one.ledger.of(EHR_TOKEN, owner=b"lake")
        assert len(rows) == 1
        assert b"a.secret.token" not in rows[0].value


async def test_a_token_that_another_root_key_sealed_is_gotten_anew(tmp_path: Path) -> None:
    async with ehr.telling(answering(granted("old"), granted("new"))) as here:
        one = broker(tmp_path / "before", here.clock)
        assert await one.backend.token(connection(here.base)) == "old"
        assert await broker(tmp_path / "after", here.clock, one.ledger).backend.token(connection(here.base)) == "new"


async def test_a_token_that_was_refused_is_gotten_anew_once_for_all_who_had_it(tmp_path: Path) -> None:
    async with ehr.telling(answering(*(granted(f"t-{n}") for n in range(9)))) as here:
        one = broker(tmp_path, here.clock)
        token = one.backend.tokens(connection(here.base))

        async def request() -> list[str]:
            first = await token(False)
            await asyncio.sleep(0)
            return [first, await token(True)]

        assert await asyncio.gather(*(request() for _ in range(10))) == [["t-0", "t-1"]] * 10
        assert await token(False) == "t-1"
        assert len(here.asked) == 2


async def test_an_ehr_that_refuses_every_token_is_not_asked_for_them_as_fast_as_it_refuses(tmp_path: Path) -> None:
    async with ehr.telling(answering(*(granted(f"t-{n}") for n in range(99)))) as here:
        one = broker(tmp_path, here.clock)
        token = one.backend.tokens(connection(here.base))
        began = here.clock()
        await token(False)
        await token(True)
        assert one.slept.seconds == [], "a token may end by itself"
        for _ in range(10):
            await token(True)
        assert here.clock() - began == 10 * backend.PACE_SECONDS


async def test_a_connection_that_is_aimed_elsewhere_does_not_bring_its_token_there(tmp_path: Path) -> None:
    async with ehr.telling(answering(granted("of-one"))) as here, ehr.telling(answering(granted("of-two"))) as there:
        one = broker(tmp_path, here.clock)
        assert await one.backend.token(connection(here.base)) == "of-one"
        assert await one.backend.token(connection(there.base)) == "of-two"
    lake = connection()
    changed = [
        connection(**{key: value})
        for key, value in (
            ("name", "sea"),
            ("environment", "production"),
            ("base", "https://other.example.org"),
            ("client_id", "other"),
            ("method", "client_secret_post"),
            ("alg", "RS384"),
            ("system_scopes", "system/Patient.rs"),
        )
    ]
    assert len({fingerprint(one) for one in (lake, *changed)}) == 8
    assert fingerprint(connection(title="Lake Clinic", recipes=("visit",))) == fingerprint(lake)


async def test_no_ehr_gets_the_token_of_another_by_naming_its_token_endpoint(tmp_path: Path) -> None:
    """All sites of Epic know hilum by one client id, and would take its assertion."""
    async with ehr.telling(answering(granted("of-the-lake"))) as lake:
        token = lake.base.replace("/fhir", "/token")
        async with ehr.telling(lambda *_: said(200, {"token_endpoint": token})) as thief:
            one = broker(tmp_path, lake.clock)
            await one.connections.add(connection(lake.base))
            with pytest.raises(Failed, match="names a token endpoint of the EHR 'lake'") as caught:
                await one.backend.token(connection(thief.base, name="thief"))
            assert (caught.value.side, lake.asked) == ("theirs", [])
            assert await one.backend.token(connection(thief.base, name="other", client_id="other")) == "of-the-lake"


async def test_a_key_that_is_missing_is_ours_to_make(tmp_path: Path) -> None:
    class Keyless(ehr.Keys):
        async def signing(self, alg: str) -> ehr.Signing:
            raise Misconfigured("There is no client key for ES384.")

    async with ehr.telling(answering(granted())) as here:
        with pytest.raises(Failed, match="no client key for ES384") as caught:
            await broker(tmp_path, here.clock, keys=Keyless()).backend.token(connection(here.base))
        assert (caught.value.kind, caught.value.side) == ("unauthorized", "ours")


async def test_a_refusal_holds_for_a_while_so_that_the_ehr_is_not_asked_by_everyone(tmp_path: Path) -> None:
    async with ehr.telling(answering(REFUSED, granted())) as here:
        one = broker(tmp_path, here.clock)
        lake = connection(here.base)
        failures = await asyncio.gather(*(one.backend.token(lake) for _ in range(50)), return_exceptions=True)
        assert {str(failure)[:12] for failure in failures} == {"unauthorized"}
        assert len(here.asked) == 1
        here.clock.now += backend.REFUSED_SECONDS
        assert await one.backend.token(lake) == "t-1"


async def test_retry_after_is_waited_for(tmp_path: Path) -> None:
    async with ehr.telling(answering(said(429, retry_after="600"), granted())) as here:
        one = broker(tmp_path, here.clock)
        lake = connection(here.base)
        with pytest.raises(Failed) as caught:
            await one.backend.token(lake)
        assert (caught.value.kind, caught.value.retry_at) == ("throttled", here.clock() + 600)
        here.clock.now += 599
        with pytest.raises(Failed):
            await one.backend.token(lake)
        assert len(here.asked) == 1
        here.clock.now += 1
        assert await one.backend.token(lake) == "t-1"


@pytest.mark.parametrize(
    ("vendor", "answers", "asked"),
    [
        ("epic", [said(400), granted()], 2),
        ("epic", [said(400), said(400, b"<html>"), granted()], 3),
        ("epic", [said(400), said(400), said(400)], 3),
        ("epic", [said(400, {"error": "invalid_request"}), granted()], 1),
        ("epic", [said(400, {"error": "invalid_client", "error_description": None}), granted()], 2),
        ("epic", [said(400, {"error": "invalid_client", "error_description": "aud"}), granted()], 1),
        ("plain", [said(400), granted()], 1),
        ("plain", [said(502), granted()], 2),
        ("plain", [said(500), said(500)], 2),
        ("plain", [REFUSED, granted()], 1),
    ],
)
async def test_what_is_sent_again_and_how_often(
    tmp_path: Path, vendor: str, answers: list[ehr.Said], asked: int
) -> None:
    async with ehr.telling(answering(*answers)) as here:
        one = broker(tmp_path, here.clock)
        lake = connection(here.base, vendor=vendor)
        works = answers[asked - 1][0] == 200
        try:
            assert await one.backend.token(lake) == "t-1"
        except Failed:
            assert not works
        else:
            assert works
        assert len(here.asked) == asked
        jtis = [jwt.unverified(form["client_assertion"])[1]["jti"] for form in here.asked]
        assert len(set(jtis)) == asked
        assert one.slept.seconds == list(backend.PAUSES[: asked - 1])


async def test_how_long_a_token_holds_that_does_not_say_is_known_of_its_vendor(tmp_path: Path) -> None:
    async with ehr.telling(answering(granted(seconds=None))) as here:
        one = broker(tmp_path, here.clock)
        lake = connection(here.base, vendor="oracle")
        await one.backend.token(lake)
        row = await one.ledger.get(EHR_TOKEN, bytes.fromhex(fingerprint(lake)))
        assert row is not None
        assert read(row, backend.Token).ends == here.clock() + 540


@pytest.mark.parametrize(
    "answer",
    [
        said(200, b"<html>"),
        said(200, {"token_type": "Bearer"}),
        said(200, {"access_token": "two\r\nlines", "token_type": "Bearer"}),
        said(200, {"access_token": "t" * 70_000, "token_type": "Bearer"}),
        said(200, {"access_token": "t", "token_type": "DPoP"}),
        said(200, []),
    ],
)
async def test_an_answer_without_a_token_that_can_be_sent_is_the_ehr_s_fault(tmp_path: Path, answer: ehr.Said) -> None:
    async with ehr.telling(answering(answer)) as here:
        with pytest.raises(Failed) as caught:
            await broker(tmp_path, here.clock).backend.token(connection(here.base))
        assert (caught.value.kind, caught.value.side) == ("broken", "theirs")


async def test_a_connection_for_people_is_not_signed_in_to_by_the_server_itself(tmp_path: Path) -> None:
    lake = connection(grants=("authorization_code",), system_scopes="", user_scopes="patient/*.rs")
    with pytest.raises(Invalid, match="a person has to be there"):
        await broker(tmp_path, Clock()).backend.token(lake)


# --- processes that die -----------------------------------------------------------------------------------------------


class Killed(BaseException):
    """The process is no more: nothing that it would have done afterwards happens."""


class Dying:
    """A ledger whose process dies at its n-th call: before it, or after it with nobody to tell."""

    def __init__(self, ledger: MemoryLedger, at: int, after: bool) -> None:
        self._ledger, self._left, self._after, self.dead = ledger, at, after, False

    def __getattr__(self, name: str) -> Any:
        work = getattr(self._ledger, name)

        async def call(*arguments: Any) -> Any:
            self._left -= 1
            if self.dead or (self._left < 0 and not self._after):
                self.dead = True
                raise Killed
            found = await work(*arguments)
            if self._left < 0:
                self.dead = True
                raise Killed
            return found

        return call


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("at", range(8))
async def test_wherever_a_process_dies_the_next_one_gets_a_token_when_the_lease_is_over(
    tmp_path: Path, at: int, after: bool
) -> None:
    async with ehr.telling(answering(granted("first"), granted("second"), granted("third"))) as here:
        clock = here.clock
        shared = MemoryLedger(lambda: int(clock() * 1_000_000))
        dying: Any = Dying(shared, at, after)
        lake = connection(here.base)
        with pytest.raises(Killed):
            await broker(tmp_path, clock, dying).backend.token(lake)
            raise Killed  # it was done before
        other = broker(tmp_path, clock, shared)
        began = clock()
        assert await other.backend.token(lake) in ("first", "second")
        assert clock() - began <= backend.LEASE_SECONDS + 1
        assert len(here.asked) <= 2
        row = await shared.get(LEASE, bytes.fromhex(fingerprint(lake)))
        assert row is None or read(row, Lease).until <= (clock() + backend.LEASE_SECONDS) * 1_000_000


async def test_who_waits_for_a_process_that_hangs_is_told_in_the_end(tmp_path: Path) -> None:
    clock = Clock()
    one = broker(tmp_path, clock)
    lake = connection()
    key = bytes.fromhex(fingerprint(lake))
    held = await Leases(one.ledger, clock, 10 * backend.WAIT_SECONDS).claim(key)
    assert held is not None
    with pytest.raises(Failed, match="Another process of hilum"):
        await one.backend.token(lake)
    assert clock() - ehr.Clock()() <= backend.WAIT_SECONDS + 2


async def test_a_sign_in_that_is_cancelled_gives_its_lease_back(tmp_path: Path) -> None:
    waits, clock = asyncio.Event(), Clock()

    async def send(method: str, url: str, headers: Mapping[str, str], body: bytes, *, limit: int) -> Fetched:
        waits.set()
        await asyncio.Event().wait()
        raise AssertionError

    hanging: Send = send
    one = broker(tmp_path, clock, send=hanging)
    lake = connection()
    task = asyncio.create_task(one.backend.token(lake))
    await waits.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await Leases(one.ledger, clock, 1).claim(bytes.fromhex(fingerprint(lake))) is not None


async def test_a_lease_does_not_expire_as_records_do(tmp_path: Path) -> None:
    """An expired record can't be written over by a version that nobody can see."""
    clock = Clock()
    ledger = MemoryLedger(lambda: int(clock() * 1_000_000))
    assert await Leases(ledger, clock, 5).claim(b"k") is not None
    row = await ledger.get(LEASE, b"k")
    assert row is not None
    assert row.expires == NEVER
