"""Apps on the administrators' pages: found, added, changed, given secrets, shut out."""

from __future__ import annotations

import base64
import re
from typing import Any

import pytest
from joserfc.jwk import ECKey
from msgspec import json, structs
from tests.unit.smart.administering import administering, post, signed_in, told
from tests.unit.smart.deciding import begin, deciding
from tests.unit.smart.pages import Browser, Page
from tests.unit.smart.world import REDIRECT, SCOPES, World

from hilum.oauth.ledger import Client
from hilum.smart.apps import clients

PNG = "data:image/png;base64," + base64.b64encode(b"\x89PNG\r\n\x1a\n" + b"0" * 40).decode()
NEW = {"name": "Sprout", "scopes": "launch/patient patient/*.rs", "redirects": REDIRECT, "method": "none"}


@pytest.fixture
async def here() -> World:
    return await administering()


@pytest.fixture
async def ann(here: World) -> Browser:
    return await signed_in(here)


async def client(here: World, id: str = "app") -> Client:
    found = await clients.get(here.site.ledger, id)
    assert found is not None
    return found.client


def secrets(page: Page) -> list[str]:
    return re.findall(r'class="shown">([^<]+)<', page.text)


async def add(ann: Browser, **values: Any) -> Page:
    return await post(ann, await ann.get("/admin/add-client"), "/admin/add-client", **(NEW | values))


async def test_an_app_is_added_as_the_command_adds_it(here: World, ann: Browser) -> None:
    more = {"launches": "https://app.example.org/launch", "contacts": "Sprout Ltd\r\n help@sprout.example \r\n",
            "trusted": "yes", "logo": PNG, "id": "sprout"}  # fmt: skip
    page = await add(ann, **more)
    assert (page.status, secrets(page)) == (200, ["sprout"])
    assert await client(here, "sprout") == Client(
        name="Sprout", method="none", scopes="launch/patient patient/*.rs",
        grants=("authorization_code", "refresh_token"), redirects=(REDIRECT,),
        launches=("https://app.example.org/launch",), trusted=True, contacts=("Sprout Ltd", "help@sprout.example"),
        logo=PNG, by="ann", created=1_800_000_000,
    )  # fmt: skip
    assert told(here, "client") == [{"added": "sprout", "scope": "launch/patient patient/*.rs"}]
    page = await ann.get("/admin/clients/sprout")
    for text in ("Sprout Ltd", REDIRECT, "2027-01-15 by ann", "See", "everything", f'src="{PNG}"'):
        assert text in page.text.replace("&#43;", "+"), text


async def test_a_secret_and_an_api_key_are_shown_this_once_and_hold(here: World, ann: Browser) -> None:
    page = await add(ann, method="client_secret_post", api_key="yes")
    id, secret, key = secrets(page)
    kept = await client(here, id)
    assert (kept.secret, kept.api_key) == (clients.kept(secret), clients.kept(key))
    assert secret not in (await ann.get(f"/admin/clients/{id}")).text
    here.client = id
    code = await here.code(scope="launch/patient patient/*.rs", redirect_uri=REDIRECT)
    assert (await here.exchange(code, client_secret="wrong")).status == 401
    assert (await here.exchange(code, client_secret=secret)).status == 200


async def test_a_new_secret_takes_the_place_of_the_old_one_at_once(here: World, ann: Browser) -> None:
    id, old = secrets(await add(ann, method="client_secret_post", scopes=SCOPES))
    here.client = id
    page = await ann.get(f"/admin/clients/{id}")
    (new,) = secrets(await post(ann, page, f"/admin/clients/{id}/secret"))
    assert told(here, "client")[1:] == [{"client": id, "changed": "secret"}]
    code = await here.code()
    assert (await here.exchange(code, client_secret=old)).status == 401
    assert (await here.exchange(code, client_secret=new)).status == 200
    browser = await signed_in(here)
    page = await browser.get("/admin/clients/app")
    assert "/admin/clients/app/secret" not in page.text, "a public app has none"


async def test_an_api_key_is_asked_for_and_no_more(here: World, ann: Browser) -> None:
    page = await ann.get("/admin/clients/app")
    (key,) = secrets(await post(ann, page, "/admin/clients/app/api-key"))
    assert (await client(here)).api_key == clients.kept(key)
    page = await ann.get("/admin/clients/app")
    page = await post(ann, page, "/admin/clients/app/api-key/remove")
    assert ("need no API key any more" in page.text, (await client(here)).api_key) == (True, "")
    assert [one["changed"] for one in told(here, "client")] == ["api key", "api key removed"]


async def test_an_app_is_changed_and_keeps_what_was_not(here: World, ann: Browser) -> None:
    before = await client(here)
    tokens = await here.tokens()
    page = await ann.get("/admin/clients/app/edit")
    values = {"name": "Growth Chart 2", "scopes": before.scopes, "redirects": REDIRECT, "method": "none"}
    page = await post(ann, page, "/admin/clients/app/edit", **values)
    assert page.path == "/admin/clients/app?done=changed"
    assert await client(here) == structs.replace(before, name="Growth Chart 2")
    assert told(here, "client") == [{"client": "app", "changed": "name", "scope": before.scopes}]
    assert await here.holds(tokens["access_token"])
    page = await post(ann, await ann.get("/admin/clients/app/edit"), "/admin/clients/app/edit", **values)
    assert len(told(here, "client")) == 1, "nothing changed, nothing is told"


async def test_an_app_that_gets_a_secret_later_is_shown_it(here: World, ann: Browser) -> None:
    page = await ann.get("/admin/clients/app/edit")
    page = await post(ann, page, "/admin/clients/app/edit", **(NEW | {"method": "client_secret_basic"}))
    (secret,) = secrets(page)
    assert (await client(here)).secret == clients.kept(secret)
    page = await post(ann, await ann.get("/admin/clients/app/edit"), "/admin/clients/app/edit", **NEW)
    assert (await client(here)).secret == "", "and it holds no more once there is none"


async def test_an_app_is_shut_out_for_good(here: World, ann: Browser) -> None:
    tokens = await here.tokens()
    assert await here.holds(tokens["access_token"]), "and is known in this process"
    page = await post(ann, await ann.get("/admin/clients/app"), "/admin/clients/app/revoke")
    assert "shut out" in page.text
    assert not await here.holds(tokens["access_token"])
    assert told(here, "client") == [{"revoked": "app"}]
    assert (await here.refresh(tokens["refresh_token"])).status == 401
    page = await ann.get("/admin/clients/app/edit")
    assert (page.status, "shut out for good" in page.text) == (400, True)
    assert "/admin/clients/app/revoke" not in (await ann.get("/admin/clients/app")).text
    assert "shut out" in (await ann.get("/admin/clients")).text


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"scopes": "patient/Nothing.rs"}, "no resource type of FHIR R4"),
        ({"scopes": "everything"}, "The scope &#39;everything&#39; is not known"),
        ({"redirects": ""}, "needs a redirect URI"),
        ({"redirects": "http://app.example.org/cb"}, "https"),
        ({"method": "private_key_jwt"}, "needs keys"),
        ({"method": "telepathy"}, "must be one of"),
        ({"method": "private_key_jwt", "jwks": "[]"}, "The keys are no JWK Set"),
        ({"method": "private_key_jwt", "jwks": '{"keys":[]}', "jwks_uri": "https://a.example/k"}, "not both"),
        ({"id": "app"}, "There is a client &#39;app&#39; already"),
        ({"id": "hilum"}, "A client id has"),
        ({"logo": "https://app.example.org/logo.png"}, "Logos are not fetched"),
        ({"logo": "data:image/svg+xml;base64,PHN2Zy8+"}, "A logo is a PNG, JPEG or WebP"),
    ],
)
async def test_what_can_not_be_is_said_and_the_form_keeps_what_was_entered(
    here: World, ann: Browser, values: dict[str, str], said: str
) -> None:
    before = len([one async for one in clients.every(here.site.ledger)])
    page = await add(ann, name="Kept <b>", **values)
    assert (page.status, said in page.text) == (422, True), page.text
    assert 'value="Kept &lt;b&gt;"' in page.text
    assert len([one async for one in clients.every(here.site.ledger)]) == before
    assert told(here, "client") == []


async def test_who_gave_keys_by_value_is_to_be_reminded(here: World, ann: Browser) -> None:
    """SMART App Launch, requirement 306: clients with inline keys are reminded to send updates."""
    key = ECKey.generate_key("P-384", parameters={"kid": "k1", "alg": "ES384", "use": "sig"})
    keys = json.encode({"keys": [key.as_dict(private=False)]}).decode()
    service = {"method": "private_key_jwt", "scopes": "system/*.rs", "redirects": ""}
    (id,) = secrets(await add(ann, **service, jwks=keys, contacts="Sprout Ltd"))
    assert (await client(here, id)).grants == ("client_credentials",)
    assert "remind the people who run it (Sprout Ltd)" in (await ann.get(f"/admin/clients/{id}")).text
    (other,) = secrets(await add(ann, **service, jwks_uri="https://app.example.org/jwks.json"))
    assert "remind the people" not in (await ann.get(f"/admin/clients/{other}")).text


async def test_lists_go_on_after_fifty_and_are_searched(here: World, ann: Browser) -> None:
    for number in range(60):
        await here.add(f"z-{number:02}", name=f"Zoo <{number}>")
    page = await ann.get("/admin/clients")
    assert (page.text.count("<tr><td>"), "Zoo &lt;1&gt;" in page.text) == (50, True)
    (more,) = re.findall(r'href="(/admin/clients\?[^"]+)"', page.text)
    assert (await ann.get(more.replace("&amp;", "&"))).text.count("<tr><td>") == 11
    page = await ann.get("/admin/clients?q=zoo+z-07")
    assert page.text.count("<tr><td>") == 1
    assert "No app has that" in (await ann.get("/admin/clients?q=nothing")).text


async def test_what_is_not_there_is_said(ann: Browser) -> None:
    for path in ("/admin/clients/nothing", "/admin/clients/nothing/edit", "/admin/clients/%3Cb%3E"):
        assert (await ann.get(path)).status == 404


async def test_a_logo_is_on_the_page_where_people_decide() -> None:
    here = await deciding()
    found = await clients.get(here.site.ledger, "app")
    assert found is not None
    page = await begin(here, "pat.one")
    assert '<span class="face" aria-hidden="true">GC</span>' in page.text
    await clients.change(here.site.ledger, found, structs.replace(found.client, logo=PNG), 0)
    page = await here.look(page.path)
    assert f'<img class="face" src="{PNG}"' in page.text.replace("&#43;", "+")
