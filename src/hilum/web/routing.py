"""The table of what is served beside FHIR: rows of method, path and who answers."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from typing import NamedTuple

from hilum.problems import MethodNotAllowed
from hilum.web.message import Answer

Handler = Callable[..., Awaitable[Answer]]
"""`async def handler(site, asked, **named_segments) -> Answer`."""


class Route(NamedTuple):
    """`pattern`: `/auth/flow/{id}`; a segment in braces is an argument of the handler.

    `kind`: how a Problem is told: as a `page`, or as RFC 6749's JSON (`oauth`, `document`). `most`: bytes of a body
    that the handler takes itself (`Asked.more`), once it knows from whom; 0: it is taken, as forms are, before.
    """

    method: str
    pattern: str
    handler: Handler
    kind: str = "page"
    most: int = 0


class Routes:
    """Finds the Route of a method and a path."""

    def __init__(self, routes: Iterable[Route]) -> None:
        self._fixed: dict[str, dict[str, Route]] = {}
        self._open: list[tuple[tuple[str, ...], dict[str, Route]]] = []
        for route in routes:
            methods = self._methods(route.pattern)
            methods[route.method] = route
            if route.method == "GET":
                methods.setdefault("HEAD", route)

    def _methods(self, pattern: str) -> dict[str, Route]:
        if "{" not in pattern:
            return self._fixed.setdefault(pattern, {})
        segments = tuple(pattern.split("/"))
        for known, methods in self._open:
            if known == segments:
                return methods
        self._open.append((segments, {}))
        return self._open[-1][1]

    def at(self, path: str) -> tuple[dict[str, Route], dict[str, str]] | None:
        """What there is at a path: routes by method, and the named segments. None: nothing."""
        methods = self._fixed.get(path)
        if methods is not None:
            return methods, {}
        segments = path.split("/")
        for pattern, some in self._open:
            if len(pattern) == len(segments):
                named = {p[1:-1]: s for p, s in zip(pattern, segments, strict=True) if p[:1] == "{"}
                if all(p == s or (p[:1] == "{" and s) for p, s in zip(pattern, segments, strict=True)):
                    return some, named
        return None


def chosen(methods: dict[str, Route], method: str) -> Route:
    """The route of the method. Raises MethodNotAllowed."""
    if method not in methods:
        allowed = tuple(sorted(methods))
        raise MethodNotAllowed(f"{method[:16]} is not possible here. Possible: {', '.join(allowed)}.", allowed)
    return methods[method]
