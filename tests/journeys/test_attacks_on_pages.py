"""Pages in a browser that also shows pages of others: forged forms, frames, links that lead away, markup in names.

https://www.rfc-editor.org/rfc/rfc9700#section-4.7 (CSRF), #section-4.16 (clickjacking), https://owasp.org/www-project-cheat-sheets/
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from html.parser import HTMLParser
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from tests.conformance.smart.ground import USUAL, App, Ground
from tests.conformance.smart.people import patient
from tests.conformance.smart.visitor import PASSWORD, Choices, Form, Page, Visitor, address
from tests.journeys.attacked import FLAGS, ground
from tests.journeys.server import FHIR_JSON

MARKUP = "<img src=x onerror=alert(1)>\"'><script>alert(2)</script>{{977*977}}</title>"
"""Printable, as names have to be."""
ORGANIZATION = f"Lake {MARKUP}"


@pytest.fixture(scope="module")
def marked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ground]:
    """A server in which everything that has a name has one of markup, but for what must not."""
    flags = [*FLAGS[:2], "--organization", ORGANIZATION, "--registration", "open"]
    for found in ground(tmp_path_factory, flags=flags):
        name = [{"family": MARKUP, "given": [MARKUP]}]
        chart = [
            patient("m1", MARKUP, name=name),
            patient("m2", MARKUP, name=name),
            {"resourceType": "Encounter", "id": "me", "status": "finished", "class": {"code": "AMB", "display": MARKUP},
             "type": [{"text": MARKUP}], "period": {"start": "2026-01-01"},
             "subject": {"reference": "Patient/m1"}, "reasonCode": [{"text": MARKUP}]},
        ]  # fmt: skip
        with found.server.client() as fhir:
            for one in chart:
                answer = fhir.put(f"{one['resourceType']}/{one['id']}", json=one, headers=FHIR_JSON)
                assert answer.status_code == 201, answer.text
        found.user("mark.up", display=MARKUP, roles=("patient",), patients=("m1", "m2"))
        found.user("one.record", display=MARKUP, roles=("patient",), patients=("m1",), fhir_user="Patient/m1")
        found.user("mark.staff", display=MARKUP, roles=("practitioner",))
        yield found


@pytest.fixture(scope="module")
def app(marked: Ground) -> App:
    return marked.app(name=MARKUP, contacts=(MARKUP,), uri="https://app.example.org/", launches=("https://a.example/",))


# --- forged forms -----------------------------------------------------------------------------------------------------

PAGES = ("/auth/account", "/auth/account/password", "/auth/account/totp", "/my/apps", "/launch", "/admin",
         "/admin/clients", "/admin/users", "/admin/consents", "/admin/audit", "/admin/brand",
         "/admin/guides")  # fmt: skip


def forms_of(visitor: Visitor, *paths: str) -> list[Form]:
    """All that can be sent from these pages."""
    found: dict[str, Form] = {}
    for path in paths:
        page = visitor.get(path)
        if page.status == 200 and urlsplit(page.url).path == path:
            found |= {one.action: one for one in page.forms if "csrf" in dict(one.fields)}
    return list(found.values())


def sent(visitor: Visitor, form: Form, csrf: str | None, headers: dict[str, str]) -> httpx.Response:
    fields = [(name, value) for name, value in (*form.fields, *form.ticked) if name != "csrf"]
    data = dict(fields) | ({} if csrf is None else {"csrf": csrf})
    action = urlsplit(form.action).path
    return visitor.http.post(visitor.origin + action, data=data, headers=headers)


def forged(visitor: Visitor, other: Visitor, form: Form, elsewhere: str) -> Iterator[tuple[str, httpx.Response]]:
    """All ways in which a page of somebody else could send a form. `elsewhere`: the text of another form here."""
    ours = {"origin": visitor.origin}
    own = dict(form.fields)["csrf"]
    theirs = dict(other.get("/auth/account/password").forms[-1].fields)["csrf"]
    texts = {"no text": None, "an empty one": "", "somebody else's": theirs, "another form's": elsewhere,
             "a guess": secrets.token_hex(32), "cut short": own[:-1], "é": "é"}  # fmt: skip
    for what, csrf in texts.items():
        yield what, sent(visitor, form, csrf, ours)
    for origin in ("https://evil.example", "null", visitor.origin + ".evil.example", visitor.origin + "/",
                   visitor.origin.replace("127.0.0.1", "localhost")):  # fmt: skip
        yield origin, sent(visitor, form, own, {"origin": origin})
    yield "no origin", sent(visitor, form, own, {})
    for site in ("cross-site", "same-site"):
        yield site, sent(visitor, form, own, {"origin": "null", "sec-fetch-site": site})
        yield site, sent(visitor, form, own, {"sec-fetch-site": site})
    yield (
        "a JSON body",
        visitor.http.post(visitor.origin + urlsplit(form.action).path, json={"csrf": own}, headers=ours),
    )
    yield (
        "a text body",
        visitor.http.post(
            visitor.origin + urlsplit(form.action).path,
            content=f"csrf={own}",
            headers=ours | {"content-type": "text/plain"},
        ),
    )


def test_no_form_of_an_account_is_taken_from_elsewhere(marked: Ground, app: App) -> None:
    marked.tokens(app, "launch/patient patient/*.rs offline_access", "one.record")
    visitor, other = marked.seated("one.record"), marked.visitor("mark.up")
    other.sign_in()
    stop = next(link for link in _links(visitor.get("/my/apps").text) if link.endswith("/revoke"))
    forms = forms_of(visitor, *PAGES, stop)
    assert len(forms) >= 5
    another = dict(forms[0].fields)["csrf"], dict(forms[1].fields)["csrf"]
    for number, form in enumerate(forms):
        for what, answer in forged(visitor, other, form, another[number == 0]):
            assert answer.status_code in (400, 403), (form.action, what, answer.text)
            assert "set-cookie" not in answer.headers
    assert visitor.get("/my/apps").status == 200
    assert stop in visitor.get("/my/apps").text, "the app was not stopped"


def test_no_page_of_a_flow_is_taken_from_elsewhere(marked: Ground, app: App) -> None:
    """Consent above all: a page of somebody else allows nothing."""
    visitor, other = marked.visitor("mark.up"), marked.visitor("mark.up")
    other.sign_in()
    page = visitor.get("/auth/authorize", **marked.request(app, "launch/patient patient/*.rs", USUAL))
    steps = []
    while not page.left:
        form = page.forms[0]
        steps.append(form.step)
        cancel = next(one for one in page.forms if one.step == "cancel")
        for what, answer in forged(visitor, other, form, dict(cancel.fields)["csrf"]):
            assert answer.status_code in (400, 403), (form.action, what, answer.text)
            assert "location" not in answer.headers
        values = {"sign-in": {"username": visitor.name, "password": PASSWORD}, "patient": {"patient": "m1"}}
        page = visitor.submit(form, **values.get(form.step, {}))
    assert steps == ["sign-in", "patient", "consent"]
    assert "code" in page.back


def test_somebody_elses_page_signs_nobody_in_and_out(marked: Ground) -> None:
    """Login CSRF: the victim would work in the attacker's account."""
    attacker, victim = marked.visitor("mark.up"), marked.visitor("one.record")
    victim.sign_in()
    form = attacker.get("/auth/sign-in").forms[0]
    data = dict(form.fields) | {"username": "mark.up", "password": PASSWORD}
    for headers in ({"origin": "https://evil.example"}, {"origin": "null"}, {}, {"origin": marked.origin}):
        answer = victim.http.post(f"{marked.origin}/auth/sign-in", data=data, headers=headers)
        assert answer.status_code == 403, "the text is of the attacker's browser"
        assert "set-cookie" not in answer.headers
        assert (
            victim.http.post(f"{marked.origin}/auth/sign-out", headers=headers, data={"csrf": "x"}).status_code == 403
        )
    for path in ("/auth/sign-out", "/auth/account/sign-out", "/auth/account/totp/off"):
        assert victim.http.get(marked.origin + path).status_code in (404, 405), "nothing ends by a link"
    assert "one.record" in victim.get("/auth/account").text


def test_a_flow_that_the_attacker_signed_in_is_not_gone_on_with_by_the_victim(marked: Ground, app: App) -> None:
    attacker, victim = marked.visitor("mark.up"), marked.visitor("one.record")
    page = attacker.get("/auth/authorize", **marked.request(app, "launch/patient patient/*.rs", USUAL))
    page = attacker.submit(page.forms[0], username="mark.up", password=PASSWORD)
    victim.sign_in()
    there = victim.get(urlsplit(page.url).path)
    assert there.status == 404
    assert "m1" not in there.text
    form = page.forms[0]
    answer = victim.http.post(marked.origin + form.action, data=dict(form.fields), headers={"origin": marked.origin})
    assert answer.status_code in (403, 404)


# --- sessions ---------------------------------------------------------------------------------------------------------


def test_a_cookie_that_was_planted_is_not_the_one_that_is_signed_in(marked: Ground) -> None:
    planted = secrets.token_urlsafe(32)
    victim = marked.visitor("one.record")
    victim.http.cookies.set("hilum", planted, domain="127.0.0.1")
    assert victim.sign_in().status == 200
    assert victim.http.cookies["hilum"] != planted
    thief = marked.visitor("")
    thief.http.cookies.set("hilum", planted, domain="127.0.0.1")
    assert urlsplit(thief.get("/auth/account").url).path == "/auth/sign-in"


def test_a_cookie_of_a_session_that_ended_is_worth_nothing(marked: Ground) -> None:
    visitor = marked.visitor("one.record")
    visitor.sign_in()
    old = visitor.http.cookies["hilum"]
    account = visitor.get("/auth/account")
    visitor.submit(next(one for one in account.forms if one.action == "/auth/sign-out"))
    thief = marked.visitor("")
    thief.http.cookies.set("hilum", old, domain="127.0.0.1")
    assert urlsplit(thief.get("/auth/account").url).path == "/auth/sign-in"


def test_of_two_cookies_of_one_name_none_counts(marked: Ground) -> None:
    """One of them was set by somebody else (by another port, or a page on a host beside)."""
    visitor = marked.visitor("one.record")
    visitor.sign_in()
    real = visitor.http.cookies["hilum"]
    for header in (
        f"hilum={secrets.token_urlsafe(32)}; hilum={real}",
        f"hilum={real}; hilum={secrets.token_urlsafe(32)}",
    ):
        answer = httpx.get(f"{marked.origin}/auth/account", headers={"cookie": header} | address())
        assert answer.status_code == 303


def test_the_cookie_is_for_no_script_and_no_other_site(marked: Ground) -> None:
    answer = httpx.get(f"{marked.origin}/auth/sign-in", headers=address())
    cookie = answer.headers["set-cookie"]
    assert [part.strip() for part in cookie.split(";")][1:] == ["Path=/", "HttpOnly", "SameSite=Lax"]
    assert len(cookie.split(";")[0]) > 40


# --- headers ----------------------------------------------------------------------------------------------------------


def judged(page: Page | httpx.Response) -> None:
    """What every page says to the browser that shows it."""
    answer = page.answer if isinstance(page, Page) else page
    if answer.is_redirect:
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["referrer-policy"] == "no-referrer"
        return
    policy = {
        name: values
        for name, *values in (part.split() for part in answer.headers["content-security-policy"].split(";"))
    }
    assert policy["frame-ancestors"] == ["'none'"]
    assert policy["default-src"] == ["'none'"]
    assert policy["base-uri"] == ["'none'"]
    assert policy.get("script-src", ["'self'"]) == ["'self'"]
    assert "'unsafe-inline'" not in answer.headers["content-security-policy"]
    assert policy["form-action"][0] == "'self'"
    assert answer.headers["x-frame-options"] == "DENY"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["cross-origin-opener-policy"] == "same-origin"
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert "access-control-allow-origin" not in answer.headers


def test_every_page_says_that_it_is_not_framed_kept_or_told_of(marked: Ground, app: App) -> None:
    visitor = marked.visitor("mark.up")
    judged(httpx.get(f"{marked.origin}/auth/authorize", headers=address()))
    judged(httpx.get(f"{marked.origin}/auth/nothing", headers=address()))
    judged(httpx.put(f"{marked.origin}/auth/sign-in", headers=address()))
    judged(visitor.get("/auth/sign-in"))
    page = visitor.get("/auth/authorize", **marked.request(app, "launch/patient launch/encounter patient/*.rs", USUAL))
    while not page.left:
        judged(page)
        form = page.forms[0]
        values = {"sign-in": {"username": visitor.name, "password": PASSWORD}, "patient": {"patient": "m1"},
                  "encounter": {"encounter": "me"}}  # fmt: skip
        if form.step == "sign-in":
            judged(visitor.submit(form, username=visitor.name, password="wrong"))
        page = visitor.submit(form, **values.get(form.step, {}))
    judged(page)
    marked.exchange(app, page.back["code"])
    for path in PAGES:
        judged(visitor.http.get(marked.origin + path, headers={"origin": "https://evil.example"}))


# --- links that lead away ---------------------------------------------------------------------------------------------

AWAY = (
    "https://evil.example/", "//evil.example/", "/\\evil.example/", "\\\\evil.example", "/\t/evil.example",
    "javascript:alert(1)", "data:text/html,x", " //evil.example", "/%09/evil.example", "///evil.example",
    "http:evil.example", "/\r\nSet-Cookie: a=b", "/auth/sign-in\nLocation: https://evil.example", "@evil.example",
    "/" + "x" * 3000, "?next=//evil.example", "//evil.example/auth/account", "/..//evil.example", "https:/evil.example",
)  # fmt: skip


@pytest.mark.parametrize("next_", AWAY)
def test_who_signs_in_is_led_nowhere_else(marked: Ground, next_: str) -> None:
    signed_in = marked.seated("one.record")
    if urlsplit(signed_in.sign_in().url).path != "/my/apps":
        signed_in.sign_in()
    stranger = marked.visitor("one.record")
    answers = [signed_in.http.get(f"{marked.origin}/auth/sign-in", params={"next": next_})]
    page = stranger.http.get(f"{marked.origin}/auth/sign-in", params={"next": next_})
    if page.status_code == 200:
        form = Page(marked.origin, page).forms[0]
        fields = dict(form.fields) | {"next": next_, "username": "nobody", "password": "wrong"}
        answers.append(stranger.http.post(marked.origin + form.action, data=fields, headers={"origin": marked.origin}))
    answers.append(page)
    for answer in answers:
        place = answer.headers.get("location", "/")
        assert place.startswith("/")
        assert place[1:2] not in ("/", "\\")
        assert not any(ord(one) < 33 for one in place)
        assert "a=b" not in answer.headers.get("set-cookie", "")


def test_after_a_right_password_too(marked: Ground) -> None:
    for next_ in AWAY[:4]:
        visitor = marked.visitor("one.record")
        form = visitor.get("/auth/sign-in").forms[0]
        fields = dict(form.fields) | {"next": next_, "username": visitor.name, "password": PASSWORD}
        answer = visitor.http.post(marked.origin + form.action, data=fields, headers={"origin": marked.origin})
        assert (answer.status_code, answer.headers["location"]) == (303, "/auth/account")


def test_an_encoded_slash_is_no_way_around_a_proxys_rules(marked: Ground) -> None:
    for path in ("/auth%2Fsign-in", "/auth%2fregister", "/auth/..%2fauth/sign-in", "/my%2Fapps", "/auth%2Ftoken",
                 "/launch/..%2Fadmin", "/.well-known%2Fjwks.json"):  # fmt: skip
        with httpx.Client(headers=address()) as client:
            url = httpx.URL(marked.origin).copy_with(raw_path=path.encode())
            assert client.get(url).status_code in (400, 404), path
            assert client.post(url, data={"a": "b"}).status_code in (400, 404), path


# --- markup in names --------------------------------------------------------------------------------------------------


class _Read(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.wrong: list[str] = []
        self.links: list[str] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "script" and not given.get("src", "").startswith("/auth/static/"):
            self.wrong.append(f"<script {given}>")
        if tag in ("iframe", "object", "embed", "base") or (tag == "img" and given.get("src") == "x"):
            self.wrong.append(f"<{tag} {given}>")
        self.wrong += [f"{tag} {name}" for name in given if name.startswith("on") or name == "style"]
        for name in ("href", "src", "action", "formaction"):
            if name in given:
                self.links.append(given[name])
                if ":" in given[name].split("/")[0] and not given[name].startswith(("https:", "http:", "data:image/")):
                    self.wrong.append(f"{tag} {name}={given[name]}")

    def handle_data(self, data: str) -> None:
        self.text += data


def read(html: str) -> _Read:
    found = _Read()
    found.feed(html)
    return found


def _links(html: str) -> list[str]:
    return read(html).links


def harmless(page: Page, shown: str = "") -> None:
    """Names are text on this page, and `shown` is there to be read."""
    found = read(page.text)
    assert found.wrong == []
    assert "954529" not in found.text, "a template in a name was run"
    if shown:
        assert shown in found.text or shown in page.text.replace("&amp;", "&"), page.text


def test_markup_in_names_is_text_on_every_page_of_a_flow(marked: Ground, app: App) -> None:
    scope = (
        "openid fhirUser offline_access launch/patient launch/encounter patient/*.rs patient/Observation.rs?category="
    )
    scope += "%3Cscript%3Ealert(3)%3C/script%3E|%22onfocus=alert(4)"
    visitor = marked.visitor("mark.up")
    request = marked.request(app, scope, USUAL, login_hint=MARKUP, nonce=MARKUP, state=MARKUP)
    page = visitor.get("/auth/authorize", **request)
    harmless(page, ORGANIZATION)
    assert MARKUP in read(page.text).text, "the app's name"
    harmless(visitor.submit(page.forms[0], username=MARKUP, password=MARKUP), ORGANIZATION)
    page = visitor.submit(page.forms[0], username=visitor.name, password=PASSWORD)
    harmless(page, f"{MARKUP} {MARKUP}")
    harmless(visitor.submit(page.forms[0], patient=MARKUP))
    page = visitor.submit(page.forms[0], patient="m1")
    harmless(page, MARKUP)
    harmless(visitor.submit(page.forms[0], encounter=MARKUP))
    page = visitor.submit(page.forms[0], encounter="me")
    harmless(page, MARKUP)
    assert page.forms[0].step == "consent"
    page = visitor.submit(page.forms[0])
    assert page.back["state"] == MARKUP
    assert marked.exchange(app, page.back["code"]).status_code == 200
    for path in PAGES:
        harmless(visitor.get(path))
    apps = visitor.get("/my/apps")
    harmless(apps, MARKUP)
    stop = next(link for link in _links(apps.text) if link.endswith("/revoke"))
    harmless(visitor.get(stop), MARKUP)


def test_markup_in_names_is_text_where_staff_look_for_a_record(marked: Ground, app: App) -> None:
    visitor = marked.visitor("mark.staff")
    page = visitor.get("/auth/authorize", **marked.request(app, "launch/patient patient/*.rs", USUAL))
    page = visitor.submit(page.forms[0], username=visitor.name, password=PASSWORD)
    harmless(visitor.submit(page.forms[0], q=MARKUP))
    harmless(visitor.submit(page.forms[0], q="m1"), MARKUP)
    for odd in ("\\", "a|b", "$", ",", "%", "name:contains=x", "é" * 200, "1980-99-99", "&birthdate=x", "*"):
        found = visitor.submit(page.forms[0], q=odd)
        assert found.status in (200, 422), odd
        harmless(found)


def administrator(ground: Ground) -> Visitor:
    """Signed in once for all tests: a code of an authenticator app holds once."""
    visitor = ground.seated("adam.doe")
    if urlsplit(visitor.get("/my/apps").url).path != "/my/apps":
        assert visitor.sign_in().status == 200
    return visitor


def crawled(visitor: Visitor) -> Iterator[Page]:
    """The pages of administrators, by their links."""
    seen: set[str] = set()
    left = [*PAGES]
    while left and len(seen) < 80:
        path = left.pop(0)
        seen.add(path)
        page = visitor.get(path)
        if page.status == 200 and "text/html" in page.answer.headers["content-type"]:
            yield page
            left += [
                link
                for link in _links(page.text)
                if link.startswith(("/admin", "/launch")) and link not in seen and link not in left
            ]


def test_markup_in_what_administrators_see_is_text(marked: Ground, app: App) -> None:
    document = {"redirect_uris": ["https://app.example.org/cb"], "client_name": MARKUP, "contacts": [MARKUP],
                "client_uri": "https://app.example.org/?q=%3Cscript%3E", "token_endpoint_auth_method": "none",
                "software_id": MARKUP}  # fmt: skip
    answer = httpx.post(f"{marked.origin}/auth/register", json=document, headers=address())
    assert answer.status_code == 201, answer.text
    marked.tokens(app, "launch/patient patient/*.rs", "mark.up", Choices(patient="m1"))
    visitor = administrator(marked)
    pages = list(crawled(visitor))
    for page in pages:
        harmless(page)
        judged(page)
    admin = "".join(read(page.text).text for page in pages if "/admin/" in page.url)
    assert MARKUP in admin


def test_no_form_of_administrators_is_taken_from_elsewhere(marked: Ground, app: App) -> None:
    visitor, other = administrator(marked), marked.visitor("mark.up")
    other.sign_in()
    found: dict[str, Form] = {}
    for page in crawled(visitor):
        for form in page.forms:
            if "csrf" in dict(form.fields):
                found.setdefault(_kind(form.action), form)
            else:
                assert "search" in page.text or form.action, page.url
    forms = list(found.values())
    assert len(forms) > 5
    for number, form in enumerate(forms):
        elsewhere = dict(forms[number - 1].fields)["csrf"]
        for what, answer in forged(visitor, other, form, elsewhere):
            assert answer.status_code in (400, 403), (form.action, what, answer.text)


def _kind(action: str) -> str:
    """The path, ids left out."""
    return "/".join("*" if any(one.isdigit() for one in part) else part for part in urlsplit(action).path.split("/"))


def test_pages_of_administrators_are_for_them_alone(marked: Ground) -> None:
    admin = administrator(marked)
    pages = [urlsplit(page.url).path for page in crawled(admin) if "/admin" in page.url]
    assert pages
    for name in ("mark.up", "mark.staff"):
        visitor = marked.visitor(name)
        visitor.sign_in()
        for path in pages:
            page = visitor.get(path)
            assert page.status in (403, 404), (name, path)
            assert MARKUP not in read(page.text).text.replace(ORGANIZATION, "")
    for path in pages:
        assert urlsplit(marked.visitor("").get(path).url).path == "/auth/sign-in"


URIS = ("javascript:alert(1)", "data:text/html,x", "http://evil.example/", "https://user@evil.example/", "https://",
        "ftp://evil.example/", "https://evil.example/#x", "https://evil.example/\"onclick=x", "vbscript:x")  # fmt: skip


@pytest.mark.parametrize("uri", URIS)
def test_no_such_address_is_registered(marked: Ground, uri: str) -> None:
    base: dict[str, Any] = {"redirect_uris": ["https://app.example.org/cb"], "token_endpoint_auth_method": "none"}
    for name in ("client_uri", "policy_uri", "tos_uri", "launch_uri", "redirect_uris"):
        value: Any = [uri] if name == "redirect_uris" else uri
        answer = httpx.post(f"{marked.origin}/auth/register", json=base | {name: value}, headers=address())
        assert answer.status_code == 400, (name, answer.text)


@pytest.mark.parametrize("name", ["a\u202egpj.exe", "a\x1b[2J", "a\nb", "\u200b", " ", "x" * 201, "a\0b"])
def test_a_name_that_would_deceive_is_not_registered(marked: Ground, name: str) -> None:
    document = {"redirect_uris": ["https://app.example.org/cb"], "client_name": name}
    answer = httpx.post(f"{marked.origin}/auth/register", json=document, headers=address())
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_client_metadata")
