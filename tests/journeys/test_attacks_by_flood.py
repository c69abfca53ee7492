"""Much of everything: tries, requests, parameters. Strangers shut nobody out for good, fill no disk and stop no work.

https://www.rfc-editor.org/rfc/rfc9700#section-4.13, https://cheatsheetseries.owasp.org/cheatsheets/Authentication_Cheat_Sheet.html
"""

from __future__ import annotations

import itertools
import re
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.conformance.smart.ground import USUAL, App, Ground
from tests.conformance.smart.visitor import PASSWORD, Visitor, address
from tests.journeys.attacked import FLAGS, at_once, ground
from tests.journeys.both import told
from tests.journeys.server import Server
from tests.journeys.test_attacks_at_once import backend
from tests.journeys.test_smart_backend import ASSERTION, assertion, new_key

from hilum.oauth import scopes

CSRF = re.compile(r'name="csrf" value="[0-9a-f]+"')


@pytest.fixture(scope="module")
def one(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ground]:
    """One process, so that limits in memory are those of the server."""
    yield from ground(tmp_path_factory, flags=[*FLAGS[:2], "--registration", "open"])


@pytest.fixture(scope="module")
def app(one: Ground) -> App:
    return one.app()


def rows(ground: Ground, kind: int = 0) -> int:
    where = f" WHERE kind = {kind}" if kind else ""
    return int(told(ground.server, ground.flags, f"SELECT count(*) FROM ledger{where}")[0][0])


def tried(ground: Ground, name: str, password: str, where: dict[str, str] | None = None) -> httpx.Response:
    """One try to sign in, by a browser that was never here."""
    visitor = Visitor(ground.origin, name)
    if where:
        visitor.http.event_hooks = {"request": [lambda request: request.headers.update(where)]}
    form = visitor.get("/auth/sign-in").forms[0]
    fields = dict(form.fields) | {"username": name, "password": password}
    return visitor.http.post(ground.origin + form.action, data=fields, headers={"origin": ground.origin})


def test_whoever_it_is_the_answer_to_a_wrong_password_is_the_same(one: Ground) -> None:
    one.user("out.cast", display="Out Cast", roles=("patient",), disabled=True)
    one.user("no.password", display="No Password", roles=("patient",))
    found = set()
    for name in ("ada.stone", "out.cast", "nobody.here", "adam.doe"):
        answer = tried(one, name, "a wrong one")
        found.add((answer.status_code, CSRF.sub("", answer.text).replace(name, "NAME"), len(answer.headers)))
    answer = tried(one, "out.cast", PASSWORD)
    found.add((answer.status_code, CSRF.sub("", answer.text).replace("out.cast", "NAME"), len(answer.headers)))
    assert len(found) == 1


def test_whichever_client_it_is_the_answer_to_a_wrong_secret_is_the_same(one: Ground) -> None:
    known = one.app(method="client_secret_basic")
    of_keys = backend(one, new_key("ES384"))
    found = set()
    for id in (known.id, of_keys, "nobody", "00000000-0000-0000-0000-000000000000", "ü", "x" * 200):
        who = App(id, method="client_secret_basic", secret="wrong")
        answer = one.ask("/auth/token", {"grant_type": "refresh_token", "refresh_token": "hrt_x"}, who)
        found.add((answer.status_code, answer.text))
    assert len(found) == 1


def test_a_name_that_was_tried_too_often_waits_and_no_other_does(one: Ground) -> None:
    one.user("often.tried", display="Often", roles=("patient",))
    one.user("never.tried", display="Never", roles=("patient",))
    for _ in range(10):
        assert tried(one, "often.tried", "a wrong one").status_code == 422
    assert tried(one, "often.tried", PASSWORD).status_code == 422
    assert tried(one, "OFTEN.tried", PASSWORD).status_code == 422, "in other letters it is the same name"
    assert tried(one, "never.tried", PASSWORD).status_code == 303


def test_strangers_do_not_shut_out_who_was_here_before(one: Ground) -> None:
    """The browser in which the user has signed in has tries of its own."""
    one.user("shut.out", display="Shut", roles=("patient",))
    mine = one.visitor("shut.out")
    assert mine.sign_in().status == 200
    account = mine.get("/auth/account")
    mine.submit(next(form for form in account.forms if form.action == "/auth/sign-out"))
    for _ in range(12):
        assert tried(one, "shut.out", "a wrong one").status_code == 422
    assert tried(one, "shut.out", PASSWORD).status_code == 422, "a browser that was never here"
    assert mine.sign_in().status == 200
    assert mine.get("/auth/account").status == 200
    other = one.visitor("ada.stone")
    assert other.sign_in().status == 200
    thief = one.visitor("shut.out")
    thief.http.cookies.update(other.http.cookies)
    thief.http.cookies.delete("hilum")
    assert "shut.out" not in thief.sign_in().url
    assert thief.get("/auth/account").url.endswith("/auth/sign-in?next=/auth/account"), "another user's browser"


def test_the_browser_that_was_here_before_has_no_endless_tries(one: Ground) -> None:
    one.user("lost.phone", display="Lost", roles=("patient",))
    thief = one.visitor("lost.phone")
    assert thief.sign_in().status == 200
    thief.http.cookies.delete("hilum")
    for number in range(11):
        form = thief.get("/auth/sign-in").forms[0]
        assert thief.submit(form, username="lost.phone", password=f"wrong {number}").status == 422
    assert thief.submit(thief.get("/auth/sign-in").forms[0], username="lost.phone", password=PASSWORD).status == 422
    assert tried(one, "lost.phone", PASSWORD).status_code == 303, "others are not shut out by it"


def test_an_address_that_guesses_waits_and_others_do_not(one: Ground) -> None:
    here = address()
    found = Counter(tried(one, f"guess.{number}", "a wrong one", here).status_code for number in range(40))
    assert found == {422: 30, 429: 10}
    assert tried(one, "kim.doe", PASSWORD, here).status_code == 429
    assert tried(one, "kim.doe", PASSWORD).status_code == 303


def test_a_network_of_addresses_is_one_that_guesses(one: Ground) -> None:
    def where(number: int) -> dict[str, str]:
        return {"x-forwarded-for": f"2001:db8:7:7::{number:x}"}

    found = Counter(tried(one, f"guess.{n}", "a wrong one", where(n)).status_code for n in range(1, 41))
    assert found == {422: 30, 429: 10}
    assert tried(one, "kim.doe", PASSWORD, {"x-forwarded-for": "2001:db8:7:8::1"}).status_code == 303


def test_who_claims_an_address_is_believed_only_behind_a_proxy_of_ours(tmp_path: Path) -> None:
    running = Server(tmp_path)

    def ask(number: int) -> int:
        lies = {"x-forwarded-for": f"198.51.100.{number}", "forwarded": f"for=198.51.100.{number}"}
        return httpx.get(f"{running.url}/auth/authorize", headers=lies, timeout=30).status_code

    found = Counter(at_once([lambda number=number: ask(number) for number in range(60)]))
    running.stop()
    assert found[429] > 0


@pytest.mark.parametrize(
    ("flags", "warned"),
    [
        (("--base-url", "https://fhir.example.org"), True),
        (("--base-url", "https://fhir.example.org", "--trusted-proxies", "10.0.0.0/8"), False),
        ((), False),
    ],
)
def test_who_hides_all_clients_behind_one_address_is_told_so(
    tmp_path: Path, flags: tuple[str, ...], warned: bool
) -> None:
    """Thirty wrong passwords of one address are thirty of everybody then."""
    running = Server(tmp_path, *flags)
    running.stop()
    assert any(event["event"] == "all clients count as one" for event in running.events) is warned


def test_while_hundreds_guess_passwords_the_rest_of_the_work_goes_on(one: Ground) -> None:
    """Two hashes at once, a hundred that wait: whoever comes beyond that is told to come again."""
    token = one.server.token("system/*.rs")
    begun, done = threading.Event(), threading.Event()
    others: list[int] = []

    def work() -> None:
        begun.wait()
        with one.fhir(token) as fhir:
            while not done.is_set():
                others.append(fhir.get("Patient/p1").status_code)
                others.append(httpx.get(f"{one.origin}/auth/sign-in", headers=address()).status_code)

    visitors = [Visitor(one.origin, "ada.stone") for _ in range(40)]
    forms = [visitor.get("/auth/sign-in").forms[0] for visitor in visitors]
    numbers = itertools.count()

    def guess(visitor: Visitor, form: Any) -> list[int]:
        begun.set()
        found = []
        for _ in range(5):
            data = dict(form.fields) | {"username": f"guess.{next(numbers)}", "password": "x" * 256}
            answer = visitor.http.post(one.origin + form.action, data=data, headers={"origin": one.origin} | address())
            found.append(answer.status_code)
        return found

    thread = threading.Thread(target=work)
    thread.start()
    before = one.server.memory()
    pairs = list(zip(visitors, forms, strict=True))
    answers = at_once([lambda v=visitor, f=form: guess(v, f) for visitor, form in pairs])
    done.set()
    thread.join()
    assert {status for some in answers for status in some} <= {422, 429, 503}
    assert len(others) >= 4
    assert set(others) == {200}
    assert one.server.memory() - before < 128 << 20


# --- what strangers can write -----------------------------------------------------------------------------------------


def test_pages_and_refusals_leave_no_records(one: Ground, app: App) -> None:
    before = rows(one)
    for _ in range(5):
        httpx.get(f"{one.origin}/auth/sign-in", headers=address())
        httpx.get(f"{one.origin}/auth/account", headers=address())
        httpx.get(f"{one.origin}/my/apps", headers=address())
        httpx.get(f"{one.origin}/auth/flow/made-up", headers=address())
        one.ask("/auth/token", {"grant_type": "refresh_token", "refresh_token": "hrt_x"}, app)
        one.ask("/auth/token", {"grant_type": "authorization_code", "code": "hac_x", "redirect_uri": "https://x",
                                "code_verifier": "v" * 43}, app)  # fmt: skip
        one.ask("/auth/introspect", {"token": "x"}, app)
        one.ask("/auth/revoke", {"token": "x"}, app)
        httpx.get(f"{one.origin}/auth/authorize", params={"client_id": "x"}, headers=address())
        httpx.get(f"{one.origin}/auth/authorize", params=one.request(app, "nonsense", USUAL), headers=address())
        key = new_key("ES384")
        form = {"grant_type": "client_credentials", "client_assertion_type": ASSERTION,
                "client_assertion": assertion(key, "nobody", f"{one.origin}/auth/token")}  # fmt: skip
        one.ask("/auth/token", form)
    assert rows(one) == before


def test_one_address_begins_only_so_many_flows_and_short_ones(one: Ground, app: App) -> None:
    here, before = address(), rows(one, 8)
    request = one.request(app, "launch/patient patient/*.rs", USUAL, junk="x" * 40_000, login_hint="y" * 1000)

    def begin() -> int:
        return httpx.post(f"{one.origin}/auth/authorize", data=request, headers=here, timeout=30).status_code

    found = Counter(at_once([begin] * 60))
    assert found.keys() == {303, 429}
    assert rows(one, 8) - before == found[303] < 60
    longest = told(one.server, one.flags, "SELECT max(length(value)) FROM ledger WHERE kind = 8")[0][0]
    assert longest < 4000


def test_one_address_registers_ten_apps_an_hour(one: Ground) -> None:
    here, before = address(), rows(one, 1)
    document = {"redirect_uris": ["https://x.example.org/cb"], "client_name": "One of many"}
    found = Counter(
        httpx.post(f"{one.origin}/auth/register", json=document, headers=here).status_code for _ in range(15)
    )
    assert found == {201: 10, 429: 5}
    assert rows(one, 1) - before == 10


# --- much at once -----------------------------------------------------------------------------------------------------

TYPES = ("Patient", "Observation", "Condition", "Encounter", "Device")
SCOPES = {
    "10,000 scopes": " ".join(f"patient/{TYPES[n % 5]}.{'cruds'[n % 5]}" for n in range(10_000)),
    "2,000 scopes": " ".join(f"patient/{TYPES[n % 5]}.{'cruds'[n % 5]}" for n in range(2000)),
    "all there are": " ".join(f"user/T{n}.rs" for n in range(1200)),
    "one long word": "patient/" + "A" * 15_000 + ".rs",
    "letters without end": "patient/Patient." + "c" * 15_000,
    "cruds again and again": "patient/Patient." + "cruds" * 3000,
    "question marks": "patient/Patient.rs" + "?" * 15_000,
    "pairs": "patient/Patient.rs?" + "&".join(f"a{n}=b" for n in range(2000)),
    "escapes": "patient/Patient.rs?a=" + "%41" * 5000,
    "escapes that are broken": "patient/Patient.rs?a=" + "%" * 15_000,
    "granular ones": " ".join(f"patient/Observation.rs?category=c{n}" for n in range(400)),
    "wishes": " ".join(f"launch/{chr(97 + n % 26)}{'x' * (n % 30)}" for n in range(800)),
    "roles": "launch/patient?role=" + "x" * 15_000,
    "spaces": " " * 16_000 + "openid",
    "chains": "patient/Observation.rs?subject:Patient.organization:Organization.partof.partof.partof.name=x",
    "brackets": "patient/Observation.rs?_filter=" + "(" * 900,
}


@pytest.mark.parametrize("name", SCOPES)
def test_a_scope_of_any_length_is_answered(one: Ground, app: App, name: str) -> None:
    scope = SCOPES[name]
    request = one.request(app, scope, USUAL)
    answer = httpx.post(f"{one.origin}/auth/authorize", data=request, headers=address(), timeout=20)
    assert answer.status_code in (303, 400, 413)
    key = new_key("ES384")
    id = backend(one, key, scopes="system/*.cruds")
    form = {"grant_type": "client_credentials", "scope": scope.replace("patient/", "system/"),
            "client_assertion_type": ASSERTION,
            "client_assertion": assertion(key, id, f"{one.origin}/auth/token")}  # fmt: skip
    answer = httpx.post(f"{one.origin}/auth/token", data=form, headers=address(), timeout=20)
    assert answer.status_code in (200, 400, 413)
    if len(scope) > scopes.LONGEST:
        assert answer.status_code != 200
    document = {"redirect_uris": ["https://x.example.org/cb"], "client_name": "Wide", "scope": scope}
    answer = httpx.post(f"{one.origin}/auth/register", json=document, headers=address(), timeout=20)
    assert answer.status_code in (201, 400, 413), answer.text


BODIES: dict[str, bytes] = {
    "brackets": b"[" * 60_000,
    "braces": b'{"a":' * 10_000,
    "a list of lists": b'{"redirect_uris":' + b"[" * 30_000 + b"]" * 30_000 + b"}",
    "keys": b"{" + b",".join(b'"k%d":1' % n for n in range(5000)) + b"}",
    "a number": b'{"client_name":' + b"9" * 60_000 + b"}",
    "a text": b'{"client_name":"' + b"a" * 60_000 + b'"}',
    "redirects": b'{"redirect_uris":[' + b",".join(b'"https://x.example/%d"' % n for n in range(2000)) + b"]}",
    "the same name twice": b'{"client_name":"a","client_name":"b","redirect_uris":["https://x.example/"]}',
    "half a surrogate pair": b'{"client_name":"\\ud800","redirect_uris":["https://x.example/"]}',
    "NUL": b'{"client_name":"a\\u0000b","redirect_uris":["https://x.example/"]}',
    "no UTF-8": b'{"client_name":"\xff"}',
    "a list": b"[]",
    "nothing": b"",
    "too much": b" " * 70_000,
}


@pytest.mark.parametrize("name", BODIES)
def test_what_is_no_registration_is_refused(one: Ground, name: str) -> None:
    headers = {"content-type": "application/json"} | address()
    answer = httpx.post(f"{one.origin}/auth/register", content=BODIES[name], headers=headers, timeout=20)
    assert answer.status_code in (400, 413), answer.text
    assert answer.json()["error"] in ("invalid_client_metadata", "invalid_request", "invalid_redirect_uri")


FORMS: dict[str, bytes] = {
    "64 kB of one value": b"grant_type=" + b"x" * 65_000,
    "a megabyte": b"x" * (1 << 20),
    "20,000 parameters": b"&".join(b"a%d=b" % n for n in range(8000)),
    "ampersands": b"&" * 60_000,
    "equals signs": b"=" * 60_000,
    "escapes": b"grant_type=" + b"%41" * 20_000,
    "broken escapes": b"grant_type=%zz&grant_type=%",
    "no UTF-8": b"grant_type=%ff%fe",
    "NUL": b"grant_type=a%00b",
    "lines": b"grant_type=a%0d%0aSet-Cookie:%20x",
}


@pytest.mark.parametrize(
    "path", ["/auth/token", "/auth/introspect", "/auth/revoke", "/auth/authorize", "/auth/sign-in"]
)
@pytest.mark.parametrize("name", FORMS)
def test_what_is_no_form_is_refused(one: Ground, path: str, name: str) -> None:
    headers = {"content-type": "application/x-www-form-urlencoded"} | address()
    answer = httpx.post(one.origin + path, content=FORMS[name], headers=headers, timeout=20)
    assert answer.status_code in (400, 401, 403, 413), answer.text
    assert "set-cookie" not in answer.headers or "x" not in answer.headers["set-cookie"][:2]


def test_headers_of_any_length_are_answered(one: Ground, app: App) -> None:
    for name, value in (
        ("authorization", "Basic " + "A" * 50_000),
        ("authorization", "Bearer " + "A" * 50_000),
        ("authorization", "Basic " + "=" * 1000),
        ("authorization", "Digest x"),
        ("cookie", "hilum=" + "A" * 50_000),
        ("cookie", "; ".join(f"a{n}=b" for n in range(5000))),
        ("origin", "https://" + "a" * 50_000),
        ("x-request-id", "x" * 5000),
        ("content-type", "application/x-www-form-urlencoded;" + "a" * 50_000),
    ):
        headers = {name: value} | address()
        for path in ("/auth/token", "/auth/sign-in", "/auth/introspect"):
            answer = httpx.post(one.origin + path, data={"grant_type": "refresh_token"}, headers=headers, timeout=20)
            assert answer.status_code in (400, 401, 403), (name, path, answer.text)
    assert httpx.get(f"{one.origin}/health").status_code == 200


def test_a_compressed_form_is_not_taken(one: Ground) -> None:
    headers = {"content-type": "application/x-www-form-urlencoded", "content-encoding": "gzip"} | address()
    assert httpx.post(f"{one.origin}/auth/token", content=b"\x1f\x8b", headers=headers).status_code == 400
