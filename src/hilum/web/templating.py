"""Pages of templates: those of a package's folder `templates`, and those that all pages share, of this one's."""

from __future__ import annotations

from typing import NamedTuple

from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined


class Here(NamedTuple):
    """What `base.html` tells on each page. `organization`: who runs this hilum, as people read it; `environment`:
    whether real people's data is behind it; `static`: where its stylesheets are.
    """

    organization: str
    environment: str
    static: str = "/static"


def templates(package: str) -> Environment:
    """Everything is escaped, and what is not given is an error."""
    return Environment(
        loader=ChoiceLoader([PackageLoader(package), PackageLoader("hilum.web")]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
