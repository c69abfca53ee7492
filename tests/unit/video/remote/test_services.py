"""renderers.toml: what it may say, and that what is wrong is named by file, table and key."""

from __future__ import annotations

from pathlib import Path

import pytest

from hilum.problems import Invalid, Misconfigured
from hilum.video.remote import services, shapes

GOOD = """
[studio]
environment = "production"
base = "https://api.studio.example.org/v2/"
auth = "header"
header = "x-api-key"
secret_file = "studio.secret"

[[studio.storyboard]]
id = "36796"
template = "after-visit"
language = "en"
shape = "wide"
"""


def written(folder: Path, text: str, secret: str = "s3cret\n") -> Path:
    (folder / "renderers.toml").write_text(text)
    (folder / "studio.secret").write_text(secret)
    return folder


def test_a_table_is_a_service(tmp_path: Path) -> None:
    found = services(written(tmp_path, GOOD), "production")["studio"]
    assert (found.base, found.secret, found.codecs) == ("https://api.studio.example.org/v2", "s3cret", ("h264",))
    assert [one.id for one in found.storyboards.values()] == ["36796"]
    assert found.shape.idempotent
    assert "s3cret" not in repr(found)
    assert services(tmp_path / "nowhere", "production") == {}


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("[studio]", "[studio", "is not TOML"),
        ("[studio]", "[local]", r"\[local\]: a name has"),
        ('"production"', '"sandbox"', "The two never mix"),
        ('"production"', '"test"', "environment must be"),
        ('"https:', '"http:', "base must begin with https"),
        ("example.org/v2/", "example.org/v2?a=b", "base is no URL"),
        ('"header"', '"digest"', r"a key is wrong: .*auth"),
        ('header = "x-api-key"\n', "", "header must name one"),
        ('"x-api-key"', '"X Key"', "header must be the name"),
        ('"studio.secret"', '"other.secret"', "secret_file names no file that can be read"),
        ("[studio]", "[studio]\ncolour = 1", r"a key is wrong: .*colour"),
        ("[studio]", '[studio]\ncallback_secret_file = "studio.secret"', "no secret of Standard Webhooks"),
        ("[studio]", '[studio]\nclient_id = "me"', "client_id and token_url"),
        ("[studio]", "[studio]\nmost_mb = 0", "most_mb"),
        ("[studio]", "[studio]\nat_once = 0", "at_once must be"),
        ("[studio]", "[studio]\ncodecs = []", "codecs must name"),
        ('shape = "wide"', 'shape = "round"', r"a key is wrong: .*storyboard"),
        ('id = "36796"', 'id = ""', r"storyboard\[1\].id"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, old: str, new: str, says: str) -> None:
    with pytest.raises(Misconfigured, match=says) as caught:
        services(written(tmp_path, GOOD.replace(old, new, 1)), "production")
    assert str(tmp_path / "renderers.toml") in str(caught.value)
    assert "s3cret" not in str(caught.value)


def test_two_storyboards_for_one_thing_are_one_too_many(tmp_path: Path) -> None:
    twice = GOOD + GOOD[GOOD.index("[[") :]
    with pytest.raises(Misconfigured, match=r"storyboard\[2\] is the second for after-visit, en, wide"):
        services(written(tmp_path, twice), "production")


def test_basic_takes_a_pair(tmp_path: Path) -> None:
    text = GOOD.replace('"header"', '"basic"').replace('header = "x-api-key"\n', "")
    assert services(written(tmp_path, text, "1111:key"), "production")["studio"].secret == "1111:key"
    with pytest.raises(Misconfigured, match="account:key"):
        services(written(tmp_path, text), "production")


# --- the shape of an API ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("own", "says"),
    [
        ({"order": {"path": "jobs", "body": {}, "job": "/id"}}, "order.path must begin with"),
        ({"order": {"path": "/jobs", "body": {}, "job": "id"}}, "order.job must be a JSON pointer"),
        ({"order": {"path": "/jobs", "body": {"a": [{"b": "{mrn}"}]}, "job": "/id"}}, r"body.a\[0\].b names {mrn}"),
        ({"look": {"status": "/s"}}, "look"),
        ({"look": {"status": "/s", "video": "/v", "waiting": [], "done": ["ok"], "failed": []}}, "look.path or"),
        ({"cancel": {"path": "/jobs/{storyboard}"}}, "cancel.path names {storyboard}; known here: job"),
        ({"colour": {}}, "colour"),
        ({"data": {"names": {"notice": ""}}}, "data.names leaves out notice, which must be shown"),
        ({"data": {"names": {"title": "A", "language": "A"}}}, "data.names must name each"),
        ({"data": {"names": {"title": "language"}}}, "data.names must name each"),
        ({"data": {"names": {"mrn": "A"}}}, "data.names has 'mrn', which is no placeholder of ours"),
    ],
)  # fmt: skip
def test_what_is_wrong_in_a_shape_is_named(own: dict[str, object], says: str) -> None:
    with pytest.raises(Invalid, match=says):
        shapes.shape(own)


def test_words_are_known_once_and_progress_has_an_end() -> None:
    look = {"path": "/j/{job}", "status": "/s", "video": "/v", "waiting": ["a"], "done": ["b"], "failed": ["c"]}
    assert shapes.shape({"look": look}).look.done == ("b",)
    for wrong in ({"failed": ["a"]}, {"done": []}, {"whole": 0}):
        with pytest.raises(Invalid, match=r"look\."):
            shapes.shape({"look": look | wrong})


def test_a_body_is_filled_and_what_there_is_none_of_is_left_out() -> None:
    body = {"id": "{storyboard}", "data": "{data}", "callback": "{callback}", "out": [{"w": "{width}", "n": "v-{key}"}]}
    values = {"storyboard": "s", "data": {"a": "{width}"}, "callback": None, "width": 7, "key": "k"}
    assert shapes.filled(body, values) == {"id": "s", "data": {"a": "{width}"}, "out": [{"w": 7, "n": "v-k"}]}


def test_placeholders_as_an_object_or_as_pairs_by_the_names_of_the_storyboard() -> None:
    data = {"title": "T", "language": "en"}
    names = {"title": "Titel", "language": ""}
    assert shapes.written(data, shapes.DataOf()) == data
    assert shapes.written(data, shapes.DataOf("pairs", names=names)) == [{"key": "Titel", "val": "T"}]


def test_pointers_and_paths() -> None:
    value = {"a": [{"b/c": 1, "~": 2}], "": 3}
    found = [shapes.at(one, value) for one in ("/a/0/b~1c", "/a/0/~0", "/", "/a/1", "/a/x", "/b", "")]
    assert found == [1, 2, 3, None, None, None, None]
    assert shapes.path("/jobs/{job}", {"job": "../a b"}) == "/jobs/..%2Fa%20b"
