"""The services that render videos, by name: `renderers.toml` in the data directory, read when hilum starts.

[studio]
environment = "production"
base = "https://api.studio.example.org/v2"
auth = "bearer"                                  # or basic, header, client-credentials
secret_file = "studio.secret"                    # beside it
callback_secret_file = "studio.callback.secret"  # whsec_..., where the service signs what it calls back with
codecs = ["h264"]

[[studio.storyboard]]
id = "36796"
template = "after-visit"
language = "en"
shape = "wide"

[studio.api.look]                                # where its API is not the generic one: shapes/generic.toml
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, Literal

import msgspec

from hilum.problems import Invalid
from hilum.tables.reading import converted, each, secret_of
from hilum.video.remote import shapes
from hilum.video.renderer import Codec
from hilum.video.renderer import Shape as Screen
from hilum.web.addresses import Target, target
from hilum.web.webhooks import decoded

FILE: Final = "renderers.toml"
LOCAL: Final = "local"
"""The name of the renderer that needs no file."""
ENVIRONMENTS: Final = ("sandbox", "production")
_NAME: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,39}")
_HEADER: Final = re.compile(r"[a-z][a-z0-9-]{0,63}")

Auth = Literal["bearer", "basic", "header", "client-credentials"]


class Storyboard(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the service calls what it makes of a template, in a language and a shape. `scenes`: how many it has room
    for, 0 where it grows with what it is given.
    """

    id: str
    template: str
    language: str
    shape: Screen
    scenes: int = 0


class _Table(msgspec.Struct, forbid_unknown_fields=True):
    """The keys of a table, and their types."""

    environment: str
    base: str
    auth: Auth
    secret_file: str
    storyboard: tuple[Storyboard, ...]
    codecs: tuple[Codec, ...] = ("h264",)
    callback_secret_file: str = ""
    header: str = ""
    client_id: str = ""
    token_url: str = ""
    scope: str = ""
    private: bool = False
    at_once: int = 8
    most_mb: int = 256
    most_minutes: int = 60
    api: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Service:
    """One. `secret`: a token, `account:key`, the value of `header`, or a client's secret. `callback`: what signs.
    `private`: its host may have an address of our own network, since an operator says so. `at_once`: how many jobs it
    is given before it has done with some. `most_bytes`: of a video; `seconds`: for how long one is waited for.
    """

    name: str
    environment: str
    base: str
    auth: Auth
    secret: str = field(repr=False)
    storyboards: Mapping[tuple[str, str, str], Storyboard]
    codecs: tuple[Codec, ...]
    shape: shapes.Shape
    callback: bytes = field(default=b"", repr=False)
    header: str = ""
    client_id: str = ""
    token_url: str = ""
    scope: str = ""
    private: bool = False
    at_once: int = 8
    most_bytes: int = 256 << 20
    seconds: float = 3600.0

    @property
    def origin(self) -> tuple[str, str, int]:
        """Where the secret may go."""
        where = target(self.base)
        assert isinstance(where, Target)
        return where.scheme, where.host, where.port


def services(folder: Path, environment: str) -> Mapping[str, Service]:
    """Those of the file in this folder; none where there is no file. Raises Misconfigured naming file, table, key."""
    return each(folder / FILE, lambda name, table: _service(folder, name, table, environment))


def _service(folder: Path, name: str, table: Any, environment: str) -> Service:
    """Raises Invalid."""
    if not _NAME.fullmatch(name) or name == LOCAL:
        raise Invalid(
            f"a name has letters a-z, digits and '-', 40 at most, and is not {LOCAL!r}, which is this machine."
        )
    read = converted(table, _Table)
    _fitting(read, environment)
    secret = _secret(folder, "secret_file", read.secret_file)
    if read.auth == "basic" and ":" not in secret:
        raise Invalid("secret_file must hold account:key, for auth = basic.")
    callback = b""
    if read.callback_secret_file:
        callback = decoded(_secret(folder, "callback_secret_file", read.callback_secret_file))
    shape = shapes.shape(read.api)
    if callback and shape.callback is None:
        raise Invalid("callback_secret_file is of no use: its api has no table callback.")
    storyboards: dict[tuple[str, str, str], Storyboard] = {}
    for number, one in enumerate(read.storyboard, 1):
        what = (one.template, one.language, one.shape)
        if what in storyboards:
            raise Invalid(f"storyboard[{number}] is the second for {', '.join(what)}.")
        if not one.id or not one.id.isprintable():
            raise Invalid(f"storyboard[{number}].id must be a printable text.")
        if one.scenes < 0:
            raise Invalid(f"storyboard[{number}].scenes must be how many scenes it has room for, 0 for any.")
        storyboards[what] = one
    return Service(
        name, read.environment, read.base.rstrip("/"), read.auth, secret, MappingProxyType(storyboards), read.codecs,
        shape, callback, read.header, read.client_id, read.token_url, read.scope, read.private, read.at_once,
        read.most_mb << 20, read.most_minutes * 60.0,
    )  # fmt: skip


def _fitting(read: _Table, environment: str) -> None:
    if read.environment not in ENVIRONMENTS:
        raise Invalid(f"environment must be {' or '.join(ENVIRONMENTS)}.")
    if read.environment != environment:
        raise Invalid(
            f"environment is {read.environment}, and this data directory belongs to {environment}. The two never mix: "
            "serve the other one from a data directory of its own."
        )
    urls = {"base": read.base} | ({"token_url": read.token_url} if read.token_url else {})
    for key, url in urls.items():
        where = target(url)
        if isinstance(where, str) or "?" in url:
            raise Invalid(f"{key} is no URL that hilum can ask, such as https://api.studio.example.org/v2.")
        if where.scheme != "https" and environment == "production":
            raise Invalid(f"{key} must begin with https: in production patient data goes encrypted alone.")
    if (read.auth == "header") != bool(read.header):
        raise Invalid("header must name one with auth = header, and be absent otherwise.")
    if read.header and not _HEADER.fullmatch(read.header):
        raise Invalid("header must be the name of a header in lower case, such as x-api-key.")
    if {bool(read.client_id), bool(read.token_url)} != {read.auth == "client-credentials"}:
        raise Invalid("client_id and token_url must be there with auth = client-credentials, and absent otherwise.")
    if not read.storyboard:
        raise Invalid("storyboard must be tables: [[NAME.storyboard]] with id, template, language and shape.")
    if not read.codecs:
        raise Invalid("codecs must name what the service makes: vp9, av1, h264.")
    if not 1 <= read.at_once <= 1000:
        raise Invalid("at_once must be from 1 to 1000: how many jobs the service works on at the same time.")
    if not 1 <= read.most_mb <= 4096 or not 1 <= read.most_minutes <= 1440:
        raise Invalid("most_mb must be from 1 to 4096, and most_minutes from 1 to 1440.")


def _secret(folder: Path, key: str, name: str) -> str:
    found = secret_of(folder, key, name)
    if not found or not found.isascii() or not found.isprintable():
        raise Invalid(f"{key} must hold one line of printable ASCII characters.")
    return found
