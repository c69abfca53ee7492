"""Destinations: in the operator's file or in the ledger, their secrets sealed, each of one environment."""

from __future__ import annotations

import json
from base64 import b64encode
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.unit.broker.receiver import SECRET

from hilum.access.keys import load_or_create
from hilum.access.seal import Seal
from hilum.broker.destinations import Destination, Destinations, judged, new_secret
from hilum.oauth.ledger import DESTINATION
from hilum.problems import Conflict, Invalid, Misconfigured, NotFound
from hilum.store.memory import MemoryLedger
from hilum.web.webhooks import decoded, shown

URL = "https://render.example.org/in"
VIDEO = Destination("video", URL, "production", decoded(SECRET), True, "ada")
FILE = f"""
[letters]
url = "{URL}"
environment = "sandbox"
secret_file = "letters.secret"
private = true
"""


class World:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.ledger = MemoryLedger()
        self.now = 1_800_000_000.0
        self.seal = Seal(load_or_create(folder, "sandbox"))

    def file(self, text: str = FILE, secret: str = SECRET) -> None:
        (self.folder / "destinations.toml").write_text(text)
        (self.folder / "letters.secret").write_text(secret + "\n")

    def open(self) -> Destinations:
        return Destinations(self.ledger, self.seal, self.folder, lambda: self.now)

    async def kept(self) -> dict[str, Any]:
        row = await self.ledger.get(DESTINATION, b"video")
        assert row is not None
        return json.loads(row.value)


@pytest.fixture
def here(tmp_path: Path) -> World:
    return World(tmp_path)


async def test_one_that_is_added_is_there_for_all_processes_and_its_secret_is_sealed(here: World) -> None:
    await here.open().add(VIDEO, 1.0)
    assert await here.open().get("video") == VIDEO
    row = await here.ledger.get(DESTINATION, b"video")
    assert row is not None
    assert SECRET.encode() not in row.value
    assert b64encode(VIDEO.secret) not in row.value
    assert SECRET not in repr(VIDEO)
    assert repr(VIDEO.secret) not in repr(VIDEO)


async def test_those_of_the_file_come_first_and_are_the_operators(here: World) -> None:
    here.file()
    places = here.open()
    letters = Destination("letters", URL, "sandbox", decoded(SECRET), True, "file")
    assert await places.get("letters") == letters
    await places.add(VIDEO, 1.0)
    assert await places.every() == [letters, VIDEO]
    with pytest.raises(Conflict, match="already"):
        await places.add(Destination("letters", URL, "sandbox", VIDEO.secret), 1.0)
    with pytest.raises(Conflict, match=r"destinations\.toml"):
        await places.remove("letters")


async def test_a_secret_that_is_rotated_signs_for_a_while_beside_the_new_one_and_is_forgotten(here: World) -> None:
    new = new_secret()
    await here.open().add(VIDEO, 1.0)
    rotated = await here.open().rotate("video", new, 3600)
    assert rotated == replace(VIDEO, secret=new, former=VIDEO.secret, until=int(here.now) + 3600)
    assert await here.open().get("video") == rotated
    assert rotated.secrets == (new, VIDEO.secret)
    kept = json.dumps(await here.kept())
    assert all(b64encode(one).decode() not in kept for one in rotated.secrets)
    here.now += 3600
    for found in (await here.open().every(), [await here.open().get("video")]):
        assert found == [replace(VIDEO, secret=new)]
    assert "former" not in await here.kept(), "nowhere any more, and not only unused"


async def test_a_secret_that_somebody_has_seen_ends_at_once(here: World) -> None:
    await here.open().add(VIDEO, 1.0)
    first, second = new_secret(), new_secret()
    await here.open().rotate("video", first)
    assert (await here.open().rotate("video", second, 0)).secrets == (second,)
    third = await here.open().rotate("video", first)
    assert third.secrets == (first, second)
    assert (await here.open().rotate("video", new_secret())).secrets[1] == first, "of two before the newer one stays"


async def test_one_that_is_not_there_or_the_file_s_has_no_secret_to_rotate(here: World) -> None:
    here.file()
    with pytest.raises(Conflict, match="new secret into its secret_file, as a line above the one of before"):
        await here.open().rotate("letters", new_secret())
    with pytest.raises(NotFound):
        await here.open().rotate("video", new_secret())


async def test_of_two_secrets_in_the_file_both_sign_for_as_long_as_both_stand_there(here: World) -> None:
    new = new_secret()
    here.file(secret=f"{shown(new)}\n{SECRET}")
    found = await here.open().get("letters")
    assert found == Destination("letters", URL, "sandbox", new, True, "file", former=decoded(SECRET))
    here.now += 10**9
    assert await here.open().get("letters") == found
    assert found.secrets == (new, decoded(SECRET))
    here.file(secret=shown(new))
    found = await here.open().get("letters")
    assert found is not None
    assert found.secrets == (new,)


async def test_one_that_is_removed_is_gone(here: World) -> None:
    places = here.open()
    await places.add(VIDEO, 1.0)
    with pytest.raises(Conflict):
        await places.add(VIDEO, 1.0)
    await places.remove("video")
    assert await places.get("video") is None
    with pytest.raises(NotFound):
        await places.remove("video")


@pytest.mark.parametrize(
    ("text", "secret", "says"),
    [
        ("[letters", SECRET, "is not TOML"),
        ("letters = 1", SECRET, "[letters]: a key is wrong: Expected `object`, got `int`"),
        (FILE + 'title = "x"', SECRET, "unknown field `title`"),
        (FILE.replace("true", '"yes"'), SECRET, "Expected `bool`, got `str` - at `$.private`"),
        (FILE.replace("url", "uri"), SECRET, "unknown field `uri`"),
        (FILE.replace(f'url = "{URL}"', ""), SECRET, "missing required field `url`"),
        (FILE.replace("letters.secret", "other.secret"), SECRET, "secret_file names no file that can be read"),
        (FILE, "whsec_short", "no secret of Standard Webhooks"),
        (FILE, "", "no secret of Standard Webhooks"),
        (FILE, f"{SECRET}\nwhsec_short", "no secret of Standard Webhooks"),
        (FILE, f"{SECRET}\n{SECRET}\n{SECRET}", "secret_file has 3 secrets: expected one, or the one of before below"),
        (FILE.replace("sandbox", "test"), SECRET, "must be sandbox or production"),
        (FILE.replace("https://render", "render"), SECRET, "none that hilum can POST to"),
    ],
)
def test_a_file_that_is_wrong_is_refused_with_the_place(here: World, text: str, secret: str, says: str) -> None:
    here.file(text, secret)
    with pytest.raises(Misconfigured) as caught:
        here.open()
    assert str(caught.value).startswith(str(here.folder / "destinations.toml"))
    assert says in str(caught.value)
    assert "whsec_short" not in str(caught.value)


@pytest.mark.parametrize(
    ("one", "says"),
    [
        (Destination("Video", URL, "production", b""), "letters a-z"),
        (Destination("-video", URL, "production", b""), "letters a-z"),
        (Destination("video", "http://render.example.org/", "production", b""), "must begin with https"),
        (Destination("video", "https://render.example.org/#here", "production", b""), "none that hilum can POST to"),
        (Destination("video", URL, "prod", b""), "must be sandbox or production"),
    ],
)
def test_what_can_not_be_one_is_refused(one: Destination, says: str) -> None:
    with pytest.raises(Invalid, match=says):
        judged(one)


def test_a_secret_is_as_standard_webhooks_writes_it() -> None:
    for _ in range(20):
        secret = new_secret()
        assert len(secret) == 32
        assert decoded(shown(secret)) == secret
    assert decoded("whsec_" + b64encode(b"x" * 24).decode()) == b"x" * 24
    for wrong in ("", "whsec_", "whsec_!", shown(b"x" * 23), shown(b"x" * 65), "Amy"):
        with pytest.raises(Invalid) as caught:
            decoded(wrong)
        assert not wrong or wrong == "whsec_" or wrong not in str(caught.value)
