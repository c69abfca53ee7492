"""The shape of a service's API, as data: what an order looks like, and where in answers stands what."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from functools import cache
from importlib.resources import files
from typing import Any, Final, Literal
from urllib.parse import quote

import msgspec

from hilum.problems import Invalid

GENERIC: Final = "generic"
NAMES: Final = ("storyboard", "key", "width", "height", "shape", "format", "codec", "language")
"""What `{}` may name in an order; besides `data` and `callback`, which are whole values."""
_SLOT: Final = re.compile(r"\{([^{}]*)\}")
_ABSENT: Final = object()


class OrderOf(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How a job is ordered. `job`, `look`: where its id stands in the answer, and where its state is asked for, if
    there. `unknown`: in a refusal, the placeholders that don't fit.
    """

    path: str
    body: dict[str, Any]
    job: str
    look: str = ""
    unknown: str = ""


class DataOf(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename={"form": "as"}):
    """How placeholders are written. `names`: what a storyboard calls one of ours; "" for what it has no use for."""

    form: Literal["object", "pairs"] = "object"
    key: str = "key"
    value: str = "val"
    names: dict[str, str] = {}


class LookOf(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How a job's state is asked for. `waiting`, `done`, `failed`: the words of `status`, each of which must be known.
    `whole`: what `progress` is at the end. `seconds`: how long the video is, for a file that does not say so.
    """

    status: str
    video: str
    waiting: tuple[str, ...]
    done: tuple[str, ...]
    failed: tuple[str, ...]
    path: str = ""
    progress: str = ""
    whole: float = 1.0
    seconds: str = ""
    captions: str = ""
    poster: str = ""


class PathOf(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A path below the base."""

    path: str


class CallbackOf(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`job`: where the job's id stands in what the service calls back with."""

    job: str


class Shape(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All. `idempotent`: whether the same Idempotency-Key gives the same job; `cancel`, `check`: where it has them."""

    order: OrderOf
    look: LookOf
    data: DataOf = DataOf()
    cancel: PathOf | None = None
    check: PathOf | None = None
    callback: CallbackOf | None = None
    idempotent: bool = False


@cache
def packaged() -> Mapping[str, Any]:
    """The generic shape, as it stands in its file."""
    return tomllib.loads((files("hilum.video.remote") / "shapes" / f"{GENERIC}.toml").read_text("utf-8"))


def shape(own: Mapping[str, Any] | None) -> Shape:
    """The generic shape, with tables of one's own in place of its. Raises Invalid naming the key."""
    try:
        found = msgspec.convert({**packaged(), **(own or {})}, Shape)
    except msgspec.ValidationError as error:
        raise Invalid(f"of its api, {error}") from None
    _judge(found)
    return found


def _judge(one: Shape) -> None:
    paths = {"order.path": (one.order.path, NAMES), "look.path": (one.look.path, ("job",))}
    for name, more in (("cancel", one.cancel), ("check", one.check)):
        if more is not None:
            paths[f"{name}.path"] = (more.path, ("job",) if name == "cancel" else ("storyboard",))
    for key, (path, names) in paths.items():
        if path and not path.startswith("/"):
            raise Invalid(f"of its api, {key} must begin with '/'.")
        _known(key, path, names)
    if not one.look.path and not one.order.look:
        raise Invalid("of its api, look.path or order.look must say where a job's state is asked for.")
    pointers = {
        "order.job": one.order.job, "order.look": one.order.look, "order.unknown": one.order.unknown,
        "callback.job": one.callback.job if one.callback else "",
    }  # fmt: skip
    pointers |= {f"look.{key}": getattr(one.look, key) for key in ("status", "video", *_MAY)}
    for key, pointer in pointers.items():
        if (pointer or key in _MUST) and not pointer.startswith("/"):
            raise Invalid(f"of its api, {key} must be a JSON pointer such as /id.")
    for key, value in _texts("order.body", one.order.body):
        if value not in ("{data}", "{callback}"):
            _known(key, value, NAMES)
    theirs = [name for name in one.data.names.values() if name]
    if len(set(theirs)) != len(theirs):
        raise Invalid("of its api, data.names must name each placeholder of a storyboard once.")
    for key, name in one.data.names.items():
        if not name and (key == "notice" or key.endswith("_text")):
            raise Invalid(f"of its api, data.names leaves out {key}, which must be shown.")
    if one.look.whole <= 0:
        raise Invalid("of its api, look.whole must be a number above 0.")
    words = one.look.waiting + one.look.done + one.look.failed
    if len(set(words)) != len(words) or not one.look.done:
        raise Invalid("of its api, look.waiting, look.done and look.failed must name each word once, and one as done.")


_MAY: Final = ("progress", "seconds", "captions", "poster")
_MUST: Final = ("order.job", "look.status", "look.video")


def _known(key: str, text: str, names: tuple[str, ...]) -> None:
    for name in _SLOT.findall(text):
        if name not in names:
            raise Invalid(f"of its api, {key} names {{{name}}}; known here: {', '.join(names)}.")


def _texts(key: str, value: Any) -> Iterator[tuple[str, str]]:
    if type(value) is str:
        yield key, value
    elif type(value) is dict:
        for name, one in value.items():
            yield from _texts(f"{key}.{name}", one)
    elif type(value) is list:
        for number, one in enumerate(value):
            yield from _texts(f"{key}[{number}]", one)


def path(text: str, values: Mapping[str, Any]) -> str:
    """A path with what it names in its places: each of them one segment."""
    return _SLOT.sub(lambda slot: quote(str(values[slot[1]]), safe=""), text)


def filled(value: Any, values: Mapping[str, Any]) -> Any:
    """A body with what it names in its places; without what there is none of. What stands alone keeps its type."""
    found = _filled(value, values)
    return None if found is _ABSENT else found


def _filled(value: Any, values: Mapping[str, Any]) -> Any:
    if type(value) is dict:
        made = {key: _filled(one, values) for key, one in value.items()}
        return {key: one for key, one in made.items() if one is not _ABSENT}
    if type(value) is list:
        return [one for one in (_filled(item, values) for item in value) if one is not _ABSENT]
    if type(value) is not str:
        return value
    alone = _SLOT.fullmatch(value)
    if alone:
        found = values.get(alone[1])
        return _ABSENT if found is None else found
    return _SLOT.sub(lambda slot: str(values[slot[1]]), value)


def written(data: Mapping[str, str], how: DataOf) -> Any:
    """Placeholders as the service takes them."""
    named = {how.names.get(key, key): text for key, text in data.items() if how.names.get(key, key)}
    if how.form == "object":
        return named
    return [{how.key: key, how.value: text} for key, text in named.items()]


def at(pointer: str, value: Any) -> Any:
    """What stands there; None for nothing. https://www.rfc-editor.org/rfc/rfc6901"""
    if not pointer:
        return None
    for part in pointer.split("/")[1:]:
        key = part.replace("~1", "/").replace("~0", "~")
        if type(value) is dict:
            value = value.get(key)
        elif type(value) is list and key.isascii() and key.isdigit() and len(key) < 7 and int(key) < len(value):
            value = value[int(key)]
        else:
            return None
    return value
