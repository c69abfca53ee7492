"""docs/reference/authorization.md names every route, parameter and error that there is, and none that there is not.

ONC (g)(10), API-DOC-1: the documentation has to be whole.
"""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from tests.conformance.smart.ground import Ground

from hilum.oauth import errors, requesting
from hilum.smart.apps import clientauth, metadata, register, style
from hilum.smart.flow import authorize
from hilum.smart.smart import ROUTES
from hilum.smart.tokens import introspect, redeeming, refresh, revoke, tickets, token
from hilum.web.limits import RATES

PAGE = (Path(__file__).resolve().parents[3] / "docs" / "reference" / "authorization.md").read_text()
READS = (
    authorize, clientauth, introspect, metadata, redeeming, refresh, register, requesting, revoke, style, tickets,
    token,
)  # fmt: skip
"""What reads requests of apps; forms of pages are not theirs."""
PARAMETERS = frozenset(("form", "query", "given", "document"))
"""What parameters are called there."""
NOT_USED = frozenset(("account_selection_required", "unsupported_token_type"))
"""Codes of the registry that hilum never answers with."""


def names(source: str) -> Iterator[str]:
    """The parameters that a module looks at by their names."""
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Call(
                func=ast.Attribute(value=owner, attr="get" | "all"), args=[ast.Constant(value=str(name)), *_]
            ):
                pass
            case ast.Subscript(value=owner, slice=ast.Constant(value=str(name))):
                pass
            case ast.Compare(left=ast.Constant(value=str(name)), ops=[ast.In() | ast.NotIn()], comparators=[owner]):
                pass
            case ast.Call(func=ast.Name(id="_text" | "_texts"), args=[owner, ast.Constant(value=str(name)), *_]):
                pass
            case _:
                continue
        if getattr(owner, "id", getattr(owner, "attr", "")) in PARAMETERS:
            yield name


def test_g10_API_DOC_1_every_route_is_there_and_no_other() -> None:
    said = re.findall(r"^\| `(GET|POST|PUT|DELETE) (/\S*)` \|", PAGE, re.MULTILINE)
    assert len(set(said)) == len(said)
    assert set(said) == {(route.method, route.pattern) for route in ROUTES}


def test_g10_API_DOC_1_what_is_said_to_be_there_answers(ground: Ground) -> None:
    said = re.findall(r"^\| `GET (/[^\s{]*)` \|", PAGE, re.MULTILINE)
    found = {path: httpx.get(ground.origin + path).status_code for path in said}
    assert len(found) > 20
    assert {path for path, status in found.items() if status in (404, 405) or status >= 500} == set()


def test_g10_API_DOC_1_every_parameter_is_there() -> None:
    found = {name for module in READS for name in names(inspect.getsource(module))}
    assert {"code_verifier", "client_assertion", "launch", "redirect_uris", "path", "token", "v"} <= found
    assert {name for name in found if f"`{name}`" not in PAGE} == set()


@pytest.mark.parametrize("error", sorted(errors.STATUS.keys() - NOT_USED))
def test_g10_API_DOC_1_every_error_is_there(error: str) -> None:
    assert f"`{error}`" in PAGE[PAGE.index("## Errors") :]


def test_g10_API_DOC_1_the_errors_that_are_left_out_are_used_nowhere() -> None:
    source = Path(errors.__file__).parents[1]
    texts = {path: path.read_text() for path in source.rglob("*.py") if path != Path(errors.__file__)}
    assert not [path for path, text in texts.items() for code in NOT_USED if f'"{code}"' in text]


def test_g10_API_DOC_1_every_limit_is_there() -> None:
    limits = " ".join(PAGE[PAGE.index("Limits, in each process") :].split())
    said = [int(number.replace(",", "")) for number in re.findall(r"\b\d[\d,]*\b", limits)]
    assert {rate.burst for rate in RATES.values()} <= set(said)
