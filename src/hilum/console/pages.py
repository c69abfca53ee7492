"""The pages: shells rendered by Jinja2, a stylesheet and one script, all served from here.

A shell holds no health data and is open; the script asks the FHIR API with the token that the person pasted
(kept in sessionStorage, sent as a header; never in a URL or a cookie). No inline script, no outside asset.
"""

from __future__ import annotations

import hashlib
import re

from jinja2 import Environment, PackageLoader, StrictUndefined

from hilum.fhir.definitions import TYPES
from hilum.web.assets import assets
from hilum.web.headers import security

Page = tuple[int, list[tuple[bytes, bytes]], bytes]
"""Status, headers, body."""

SECURITY = security()

_TYPE = "|".join(TYPES)
_ID = r"[A-Za-z0-9\-.]{1,64}"
ROUTES: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"/"), "home.html"),
    (re.compile(rf"/browse/(?P<type>{_TYPE})"), "list.html"),
    (re.compile(rf"/browse/(?P<type>{_TYPE})/(?P<id>{_ID})"), "resource.html"),
    (re.compile(rf"/browse/(?P<type>{_TYPE})/(?P<id>{_ID})/_history/(?P<version>[0-9]{{1,9}})"), "resource.html"),
)
"""Path -> template; the named parts of the path are the template's variables."""


class Pages:
    """Renders pages for one environment (`sandbox` or `production`); each shows it."""

    def __init__(self, environment: str, auth: str, fhir_base: str, version: str) -> None:
        self._assets = assets("hilum.console")
        tag = hashlib.sha256(b"".join(self._assets[name].tag for name in sorted(self._assets))).hexdigest()[:12]
        self._tag = b'"%b"' % tag.encode()
        self._templates = Environment(
            loader=PackageLoader("hilum.console"), autoescape=True, undefined=StrictUndefined, trim_blocks=True
        )
        self._shared = {"environment": environment, "auth": auth, "base": fhir_base, "app_version": version, "tag": tag}

    def page(self, path: str, if_none_match: bytes | None = None) -> Page | None:
        """The page or asset at a path, or None when there is none."""
        if path.startswith("/static/"):
            return self._asset(path.removeprefix("/static/"), if_none_match)
        for pattern, template in ROUTES:
            found = pattern.fullmatch(path)
            if found is not None:
                text = self._templates.get_template(template).render(self._shared | found.groupdict())
                headers = [(b"content-type", b"text/html; charset=utf-8"), (b"cache-control", b"no-cache"), *SECURITY]
                return 200, headers, text.encode()
        return None

    def _asset(self, name: str, if_none_match: bytes | None) -> Page | None:
        found = self._assets.get(name)
        if found is None:
            return None
        headers = [(b"cache-control", b"no-cache"), (b"etag", self._tag), *SECURITY]
        if if_none_match == self._tag:
            return 304, headers, b""
        return 200, [(b"content-type", found.media), *headers], found.content
