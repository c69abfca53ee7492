"""What the routes stand on: the videos of one process. FastAPI is not imported here."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from hilum.access.policy import Principal
from hilum.video.videos import LOOK_SECONDS, Videos

Headers = Mapping[bytes, bytes]


@dataclass(frozen=True)
class Filming:
    """`base`: of hilum's FHIR. `authenticate`: who asks, as below /fhir; raises Unauthenticated, Busy. `look_seconds`:
    between two looks at a video that somebody watches being made; `beat`: after so many in which nothing happened the
    stream says that it is there.
    """

    videos: Videos
    base: str
    authenticate: Callable[[Headers], Awaitable[Principal]]
    look_seconds: float = LOOK_SECONDS
    beat: int = 30

    @property
    def origin(self) -> str:
        """Scheme, host and port as clients see them."""
        return self.base.removesuffix("/fhir")
