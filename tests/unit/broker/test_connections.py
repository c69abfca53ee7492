"""The registry of EHRs: what a connection must be, where it stands, and what is told when it is wrong."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs
from tests.unit.broker.ehr import VENDORS, connection, seal
from tests.unit.smart.pages import Clock

from hilum.broker import rules
from hilum.broker.connections import Connections, leased
from hilum.broker.parcels import OWNER, lease_of
from hilum.oauth.keeping import Ledger
from hilum.oauth.lease import offered
from hilum.oauth.ledger import EHR, EHR_TOKEN, LEASE, Put
from hilum.problems import Conflict, Forbidden, Invalid, Misconfigured, NotFound
from hilum.store.sqlite import open_sqlite
from hilum.web import log

LAKE = """
[lake]
environment = "sandbox"
vendor = "epic"
base = "https://ehr.example.org/api/FHIR/R4/"
client_id = "3f2a"
method = "private_key_jwt"
system_scopes = "system/Patient.rs system/Observation.rs"
mrn_system = "urn:oid:1.2.840.114350"
recipes = ["visit"]
"""
SEA = """
[sea]
environment = "sandbox"
vendor = "oracle"
base = "https://sea.example.org/r4"
client_id = "sea"
method = "client_secret_basic"
client_secret_file = "sea.secret"
grants = ["client_credentials", "authorization_code"]
system_scopes = "system/Patient.read"
user_scopes = "launch patient/Patient.read"
"""


@pytest.fixture
async def ledger(tmp_path: Path) -> AsyncIterator[Ledger]:
    store = await open_sqlite(str(tmp_path / "store.sqlite"))
    yield store.ledger
    await store.close()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "ehrs.toml").write_text(LAKE + SEA)
    (tmp_path / "sea.secret").write_text("a secret\n")
    return tmp_path


def registry(ledger: Ledger, folder: Path, environment: str = "sandbox") -> Connections:
    return Connections(ledger, seal(folder), environment, folder, vendors=frozenset(VENDORS), clock=Clock())


async def test_what_was_added_is_there_in_every_process(ledger: Ledger, tmp_path: Path) -> None:
    one, other = registry(ledger, tmp_path), registry(ledger, tmp_path)
    added = await one.add(connection("https://ehr.example.org/fhir/"))
    assert added == connection(created=int(Clock()()))
    assert await other.get("lake") == added
    assert await other.every() == [added]


async def test_a_secret_is_sealed_for_its_connection_and_never_in_the_clear(ledger: Ledger, tmp_path: Path) -> None:
    here = registry(ledger, tmp_path)
    added = await here.add(connection(method="client_secret_post"), "s3cret words")
    row = await ledger.get(EHR, b"lake")
    assert row is not None
    assert b"s3cret" not in row.value
    assert "s3cret" not in repr(added)
    assert here.secret(added) == "s3cret words"
    with pytest.raises(Misconfigured):
        here.secret(structs.replace(added, name="sea"))


async def test_a_name_is_taken_once(ledger: Ledger, folder: Path) -> None:
    here = registry(ledger, folder)
    await here.add(connection(name="hill"))
    for name in ("hill", "lake"):
        with pytest.raises(Conflict, match=f"an EHR '{name}' already"):
            await here.add(connection(name=name))


async def test_what_is_removed_takes_its_tokens_along(ledger: Ledger, tmp_path: Path) -> None:
    here = registry(ledger, tmp_path)
    await here.add(connection())
    for name in ("lake", "sea"):
        await ledger.add(Put(EHR_TOKEN, b"of " + name.encode(), b"{}", owner=name.encode()))
        await ledger.add(Put(LEASE, b"of " + name.encode(), b"{}", owner=leased(name)))
    await here.remove("lake")
    assert await here.every() == []
    assert [[row.key for row in await ledger.of(kind)] for kind in (EHR_TOKEN, LEASE)] == [[b"of sea"]] * 2
    with pytest.raises(NotFound, match="hilum ehr list"):
        await here.remove("lake")


async def test_orders_keep_their_leases_whatever_an_ehr_is_named(ledger: Ledger, tmp_path: Path) -> None:
    """Without one an order is never gone on with."""
    here, name = registry(ledger, tmp_path), OWNER.decode()
    await here.add(connection(name=name))
    await ledger.add(offered(lease_of("1"), OWNER))
    await ledger.add(offered(b"\xff of a sign-in", leased(name)))
    assert [row.key for row in await ledger.of(LEASE, owner=OWNER)] == [lease_of("1")]
    await here.remove(name)
    assert [row.key for row in await ledger.of(LEASE)] == [lease_of("1")]


async def test_what_is_put_in_its_place_is_there_in_every_process(ledger: Ledger, tmp_path: Path) -> None:
    one, other = registry(ledger, tmp_path), registry(ledger, tmp_path)
    added = await one.add(connection())
    changed = await one.replace(
        structs.replace(added, title="Lakeside", base="https://other.example.org/fhir/", created=0)
    )
    assert changed == structs.replace(added, title="Lakeside", base="https://other.example.org/fhir")
    assert await other.get("lake") == changed
    with pytest.raises(NotFound, match="hilum ehr list"):
        await one.replace(connection(name="sea"))
    with pytest.raises(Invalid, match="client_id must be"):
        await one.replace(connection(client_id=""))


async def test_a_secret_stays_with_the_base_that_it_was_given_for(ledger: Ledger, tmp_path: Path) -> None:
    here = registry(ledger, tmp_path)
    added = await here.add(connection(method="client_secret_post"), "s3cret words")
    same = await here.replace(structs.replace(added, client_id="other", secret=""))
    assert here.secret(same) == "s3cret words"
    elsewhere = structs.replace(added, base="https://other.example.org/fhir", secret=added.secret)
    with pytest.raises(Invalid, match="was given for another base: give that of this one, too"):
        await here.replace(elsewhere)
    assert here.secret(await here.replace(elsewhere, "new words")) == "new words"
    assert (await here.replace(connection())).secret == ""


async def test_of_two_who_change_it_at_once_one_is_told(ledger: Ledger, tmp_path: Path) -> None:
    here = registry(ledger, tmp_path)
    added = await here.add(connection())
    changes = [here.replace(structs.replace(added, title=title)) for title in ("one", "two")]
    found = await asyncio.gather(*changes, return_exceptions=True)
    told = [one for one in found if isinstance(one, Conflict)]
    assert (await here.get("lake")) in found
    assert len(told) <= 1


async def test_a_change_is_refused_where_it_was_thought_of_before_another_one(ledger: Ledger, tmp_path: Path) -> None:
    here = registry(ledger, tmp_path)
    before = await here.add(connection())
    await here.replace(structs.replace(before, title="Lakeside"), before=before)
    for attempt in (here.replace, here.replaceable):
        with pytest.raises(Conflict, match="Somebody else changes the EHR 'lake'"):
            await attempt(structs.replace(before, disabled=True), before=before)
    assert (await here.get("lake")).title == "Lakeside"


async def test_what_stands_in_the_file_is_changed_there(ledger: Ledger, folder: Path) -> None:
    with pytest.raises(Conflict, match=r"ehrs\.toml: change it there"):
        await registry(ledger, folder).replace(connection())


async def test_a_disabled_connection_is_shown_and_not_used(ledger: Ledger, tmp_path: Path) -> None:
    here = registry(ledger, tmp_path)
    added = await here.add(connection(disabled=True))
    assert await here.get("lake") == added
    with pytest.raises(Forbidden, match="disabled"):
        await here.usable("lake")


async def test_a_connection_of_the_other_environment_is_neither_added_nor_used(ledger: Ledger, tmp_path: Path) -> None:
    here = registry(ledger, tmp_path)
    with pytest.raises(Invalid, match="The two never mix"):
        await here.add(connection(environment="production"))
    await here.add(connection())
    here.environment = "production"
    with pytest.raises(Forbidden, match="is of sandbox, and this hilum of production"):
        await here.usable("lake")


async def test_more_connections_than_a_page_of_the_ledger_are_all_told(ledger: Ledger, tmp_path: Path) -> None:
    here = registry(ledger, tmp_path)
    names = [f"clinic-{number:03}" for number in range(205)]
    for name in names:
        await here.add(connection(name=name))
    assert [one.name for one in await here.every()] == names


# --- the file ---------------------------------------------------------------------------------------------------------


async def test_connections_of_the_file_are_there_beside_those_that_were_added(ledger: Ledger, folder: Path) -> None:
    here = registry(ledger, folder)
    await here.add(connection(name="hill"))
    assert [(one.name, one.origin) for one in await here.every()] == [
        ("hill", "kim"), ("lake", "file"), ("sea", "file"),
    ]  # fmt: skip
    assert await here.usable("lake") == connection(
        "https://ehr.example.org/api/FHIR/R4",
        vendor="epic",
        client_id="3f2a",
        system_scopes="system/Patient.rs system/Observation.rs",
        mrn_system="urn:oid:1.2.840.114350",
        recipes=("visit",),
        alg="RS384",
        origin="file",
    )
    assert (await here.get("sea")).recipes == ("*",)
    assert here.secret(await here.get("sea")) == "a secret"
    assert here.inner() == {"ehr.example.org", "sea.example.org"}
    with pytest.raises(Conflict, match="take it out there"):
        await here.remove("lake")


async def test_a_file_that_changes_is_read_again_and_one_that_is_unsound_changes_nothing(
    ledger: Ledger, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    log.configure()
    here, file = registry(ledger, folder), folder / "ehrs.toml"
    file.write_text(LAKE)
    os.utime(file, ns=(1, 1))
    assert [one.name for one in await here.every()] == ["lake"]
    file.write_text(LAKE.replace("epic", "nobody"))
    os.utime(file, ns=(2, 2))
    assert [one.vendor for one in await here.every()] == ["epic"]
    assert "the connections are as they were" in capsys.readouterr().err
    file.unlink()
    assert await here.every() == []


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (LAKE + "[sea", "is not TOML"),
        (LAKE + "\n[sea]\nbase = 7", "line 12 and below, \\[sea\\]: a key is wrong: Expected `str`"),
        (LAKE + 'clientid = "x"', "line 2 and below, \\[lake\\]: a key is wrong: .* `clientid`"),
        (LAKE.replace("vendor", "#"), "missing required field `vendor`"),
        (LAKE.replace("[lake]", "[Lake]"), "\\[Lake\\]: name must have 1 to 40 letters"),
        (LAKE.replace("epic", "acme"), "\\[lake\\]: vendor must be one of epic, meditech, oracle, plain"),
        (LAKE.replace('"sandbox"', '"production"'), "environment is production, and this data directory belongs to"),
        (LAKE.replace("https", "http"), "base must be the FHIR base URL"),
        (SEA, "client_secret_file names no file that can be read"),
        (LAKE + 'client_secret_file = "x"', "client_secret_file must name a file with client_secret_basic and"),
        (SEA.replace("client_secret_file", "#"), "client_secret_file must name a file with"),
        ("lake = 1", "\\[lake\\]: a key is wrong: Expected `object`, got `int`"),
    ],
)
async def test_what_is_wrong_in_the_file_is_told_by_line_table_and_key(
    ledger: Ledger, tmp_path: Path, text: str, says: str
) -> None:
    (tmp_path / "ehrs.toml").write_text(text)
    with pytest.raises(Misconfigured, match=says):
        registry(ledger, tmp_path)


# --- recipes ----------------------------------------------------------------------------------------------------------


def cooking(ledger: Ledger, folder: Path, *recipes: str) -> Connections:
    return Connections(ledger, seal(folder), "sandbox", folder, vendors=frozenset(VENDORS), recipes=lambda: recipes)


async def test_a_recipe_that_there_is_not_is_refused_with_those_that_there_are(ledger: Ledger, tmp_path: Path) -> None:
    here = cooking(ledger, tmp_path, "visits", "record")
    says = "recipes names nope, other, and there is no such recipe. There are record, visits; your own lie in"
    for recipes in (("nope", "other"), ("visits", "nope", "*", "other")):
        with pytest.raises(Invalid, match=says) as caught:
            await here.add(connection(recipes=recipes))
        assert caught.value.issues[0].expression == "recipes"
    assert await here.every() == []
    assert (await here.add(connection(recipes=("visits", "*")))).recipes == ("visits", "*")
    with pytest.raises(Invalid, match="recipes names nope"):
        await here.replace(connection(recipes=("nope",)))


async def test_a_connection_whose_recipe_is_gone_can_still_be_changed(ledger: Ledger, tmp_path: Path) -> None:
    await cooking(ledger, tmp_path, "own").add(connection(recipes=("own",)))
    here = cooking(ledger, tmp_path, "visits")
    assert (await here.replace(connection(recipes=("own", "visits"), disabled=True))).disabled


async def test_the_file_may_name_a_recipe_that_is_yet_to_come_and_the_log_says_so(
    ledger: Ledger, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    log.configure()
    here = cooking(ledger, folder, "record")
    assert (await here.usable("lake")).recipes == ("visit",)
    (line,) = capsys.readouterr().err.splitlines()
    assert '"event":"a connection waits for its recipes","ehr":"lake"' in line
    assert "recipes names visit, and there is no such recipe. There are record" in line
    assert [one.name for one in await cooking(ledger, folder, "visit").every()] == ["lake", "sea"]
    assert capsys.readouterr().err == ""


# --- the rules --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "changed",
    [
        {"base": "http://127.0.0.1:8081/fhir"},
        {"base": "http://localhost:8081/fhir"},
        {"base": "https://ehr.example.org"},
        {"name": "a", "title": "Lake Clinic, Ward 3", "issuer": "https://ehr.example.org/fhir/"},
        {"method": "none", "grants": ("authorization_code",), "system_scopes": "", "user_scopes": "launch openid"},
        {"system_scopes": "athena/service/Athenanet.MDP.* system/Patient.read"},
    ],
)
def test_connections_that_are_well_formed(changed: dict[str, Any]) -> None:
    rules.judge(connection(**changed))


@pytest.mark.parametrize(
    ("changed", "key"),
    [
        ({"name": ""}, "name"),
        ({"name": "../x"}, "name"),
        ({"name": "a" * 41}, "name"),
        ({"environment": "test"}, "environment"),
        ({"base": "ehr.example.org"}, "base"),
        ({"base": "http://ehr.example.org/fhir"}, "base"),
        ({"base": "http://127.0.0.1/fhir", "environment": "production"}, "base"),
        ({"base": "https://ehr.example.org/fhir?x=1"}, "base"),
        ({"base": "https://user:word@ehr.example.org/fhir"}, "base"),
        ({"issuer": "the hospital"}, "issuer"),
        ({"client_id": ""}, "client_id"),
        ({"client_id": " id"}, "client_id"),
        ({"client_id": "a\nb"}, "client_id"),
        ({"method": "tls_client_auth"}, "method"),
        ({"method": "none"}, "method"),
        ({"grants": ()}, "grants"),
        ({"grants": ("password",)}, "grants"),
        ({"grants": ("client_credentials", "client_credentials")}, "grants"),
        ({"alg": "HS256"}, "alg"),
        ({"system_scopes": " "}, "system_scopes"),
        ({"system_scopes": "system/*.rs launch"}, "system_scopes"),
        ({"system_scopes": 'system/*.rs"'}, "system_scopes"),
        ({"user_scopes": "patient/*.rs"}, "user_scopes"),
        (
            {"grants": ("authorization_code",), "system_scopes": "", "user_scopes": "launch system/*.rs"},
            "user_scopes",
        ),
        ({"recipes": ("A visit",)}, "recipes"),
        ({"mrn_system": "MRN"}, "mrn_system"),
        ({"title": "a\x1b[31m"}, "title"),
    ],
)
def test_what_is_not_well_formed_is_told_by_its_key(changed: dict[str, Any], key: str) -> None:
    with pytest.raises(Invalid) as caught:
        rules.judge(connection(**changed))
    assert caught.value.issues[0].expression == key
    assert str(caught.value).startswith(f"{key} m")
