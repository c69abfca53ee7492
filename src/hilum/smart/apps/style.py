"""How the pages of this server look, for apps that want to look alike.

https://hl7.org/fhir/smart-app-launch/scopes-and-launch-context.html#styling. The URL is the version of what stands
there: another style has another URL, and an old one answers 404, never with something else.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Final

from hilum.fhir import json
from hilum.problems import NotFound
from hilum.web import message
from hilum.web.message import Answer, Asked
from hilum.web.routing import Route

if TYPE_CHECKING:
    from hilum.smart.site import Site, SiteSettings

PATH: Final = "/auth/style.json"
SECONDS: Final = 86_400

_FONTS: Final = (
    'system-ui, -apple-system, "Segoe UI", Roboto, "Liberation Sans", "DejaVu Sans", sans-serif'  # of common.css
)
STYLE: Final = {
    "color_background": "#f7f8f8",
    "color_error": "#8a1c1c",
    "color_highlight": "#0b5563",
    "color_modal_backdrop": "rgba(22, 38, 43, 0.6)",
    "color_success": "#1f5f2a",
    "color_text": "#16262b",
    "dim_border_radius": "6px",
    "dim_font_size": "16px",
    "dim_spacing_size": "20px",
    "font_family_body": _FONTS,
    "font_family_heading": _FONTS,
}
"""The properties that the guide has, as `common.css` (`hilum.web`) has them in the light scheme."""
VERSION: Final = hashlib.sha256(json.encode(dict(STYLE))).hexdigest()[:12]


def url(settings: SiteSettings) -> str:
    """Where the style is now: `smart_style_url` of a token response."""
    return f"{settings.origin}{PATH}?v={VERSION}"


async def style(site: Site, asked: Asked) -> Answer:
    """GET /auth/style.json?v=...; without a version the present one. Raises NotFound for the URL of another one."""
    if asked.query.get("v", VERSION) != VERSION:
        raise NotFound("This is the URL of another version of the style. A new launch gives the present one.")
    return message.document(STYLE, SECONDS)


ROUTES: Final = (Route("GET", PATH, style, "document"),)
