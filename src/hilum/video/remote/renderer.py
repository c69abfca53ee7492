"""Videos made by a service elsewhere. It is told a first name and the sentences of the script, and no more of whom.

What is ordered is ordered once: an order is held before it is sent, and its job as soon as its id is known. Who comes
after a restart goes on with that job; where the order may or may not have arrived, it is sent again under the same
Idempotency-Key, and not at all to a service that knows none.

Nothing here waits for the service: what is under way is looked at once, and it is said when to look again.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final, TypeVar
from urllib.parse import urljoin

import msgspec

from hilum.video.local.encoding import unwritten
from hilum.video.local.renderer import drawable
from hilum.video.remote import shapes
from hilum.video.remote.asking import Asking, Unanswered
from hilum.video.remote.fetching import Fetching
from hilum.video.remote.results import MADE, Results
from hilum.video.remote.services import Service
from hilum.video.renderer import MEDIA, SIZES, Job, Rendered, UnderWay, Unrendered, Wanted
from hilum.video.writing import placeholders
from hilum.web import log
from hilum.web.addresses import Target, target
from hilum.web.outbound import Guard

LONGEST_WAIT: Final = 15.0
"""Seconds of a Retry-After that are waited for here; after more, the video is tried again later."""
_JITTER: Final = (0.9, 1.1)

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Pace:
    """Seconds until the next look: `first`, then half as long as the job is under way, up to `most`. `tries`: how often
    in a row a request that failed is sent again before the video has to wait for a later try.
    """

    first: float = 1.0
    most: float = 15.0
    tries: int = 4


class Ticket(msgspec.Struct, frozen=True, omit_defaults=True):
    """What is held. `key`: that of the order; `at`: when it was first sent, seconds since 1970; `job`, `look`: what its
    answer said.
    """

    key: str
    at: float
    job: str = ""
    look: str = ""


class Remote:
    """`guard`: where hilum may go. `origin`: where the service reaches us, "" for nowhere. `clock`: seconds since
    1970.
    """

    def __init__(
        self,
        service: Service,
        guard: Guard,
        origin: str = "",
        *,
        pace: Pace = Pace(),
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.name, self.service, self.at_once = service.name, service, service.at_once
        self._asking = Asking(service, guard, clock)
        self._results = Results(service, Fetching(service, self._asking, clock))
        self._pace, self._clock = pace, clock
        self._called = f"{origin}/videos/callback/{service.name}" if origin and service.callback else None

    # --- what a renderer does -----------------------------------------------------------------------------------------

    def fit(self, wanted: Wanted) -> None:
        """Raises Unrendered."""
        drawable()  # a poster
        if wanted.codec not in self.service.codecs:
            listed = ", ".join(self.service.codecs)
            raise Unrendered("no-codec", f"{self._it} does not make {wanted.codec}. It makes: {listed}.")
        self._storyboard(wanted)

    async def render(self, job: Job) -> Rendered | UnderWay:
        """Raises Unrendered, and what `hold` raises."""
        self.fit(job.wanted)
        ticket = _held(job)
        if ticket is None or not ticket.job:
            ticket = await self._ordered(job, ticket)
        try:
            found = await self._looked(ticket)
            return found if isinstance(found, UnderWay) else await self._results.rendered(job, found)
        except OSError as error:
            raise unwritten(error) from None

    async def cancel(self, held: str) -> None:
        """Where the service has a way to be told."""
        how = self.service.shape.cancel
        ticket = _ticket(held)
        if how is None or ticket is None or not ticket.job:
            return
        try:
            await self._asking.ask("DELETE", self._url(shapes.path(how.path, {"job": ticket.job})))
        except Unrendered as problem:
            log.warning("video not cancelled", renderer=self.name, code=problem.code, side=problem.side)

    # --- ordering -----------------------------------------------------------------------------------------------------

    async def _ordered(self, job: Job, before: Ticket | None) -> Ticket:
        """Order it, unless that may have been done where it can't be asked. Raises Unrendered."""
        order = self.service.shape.order
        if before is not None and not self.service.shape.idempotent:
            raise self._perhaps()
        ticket = before or Ticket(job.id, self._clock())
        values, data = self._values(job), placeholders(job.wanted.script)
        values["data"] = shapes.written(data, self.service.shape.data)
        body, url = shapes.filled(order.body, values), self._url(shapes.path(order.path, values))
        await self._hold(job, ticket)
        try:
            answer = await self._patiently(lambda: self._asking.ask("POST", url, body, key=job.id), ordering=True)
        except Unanswered as problem:
            if problem.unsure and not self.service.shape.idempotent:
                raise self._perhaps() from None
            if not problem.unsure:
                await self._hold(job, None)
            raise self._misfit(problem, data) from None
        id = shapes.at(order.job, answer)
        if not _is_id(id):
            raise self._odd(f"an order without an id at {order.job}")
        look = shapes.at(order.look, answer)
        ticket = msgspec.structs.replace(ticket, job=str(id), look=look if type(look) is str else "")
        await self._hold(job, ticket)
        log.info("video ordered", renderer=self.name, job=job.id)
        return ticket

    async def _hold(self, job: Job, ticket: Ticket | None) -> None:
        if job.hold is not None:
            await job.hold("" if ticket is None else _text(ticket), "" if ticket is None else ticket.job)

    def _values(self, job: Job) -> dict[str, Any]:
        wanted = job.wanted
        width, height = SIZES[wanted.shape]
        return {
            "storyboard": self._storyboard(wanted), "key": job.id, "width": width, "height": height,
            "shape": wanted.shape, "format": MEDIA[wanted.codec].partition("/")[2], "codec": wanted.codec,
            "language": wanted.script.language, "callback": self._called,
        }  # fmt: skip

    def _storyboard(self, wanted: Wanted) -> str:
        script = wanted.script
        found = self.service.storyboards.get((script.template, script.language, wanted.shape))
        if found is None:
            what = f"the template {script.template!r} in {script.language}, {wanted.shape}"
            raise Unrendered(
                "no-storyboard", f"{self._it} has no storyboard for {what}: renderers.toml, [[{self.name}.storyboard]]."
            )
        if found.scenes and len(script.scenes) > found.scenes:  # a part of what there is to tell is worse than none
            text = (
                f"The script has {len(script.scenes)} scenes; the storyboard {found.id!r} has room for {found.scenes}."
            )
            raise Unrendered("too-many-scenes", text)
        return found.id

    def _misfit(self, problem: Unanswered, data: dict[str, str]) -> Unrendered:
        """The refusal, with the placeholders that it is about where it names some of ours."""
        pointer = self.service.shape.order.unknown
        named = shapes.at(pointer, problem.body)
        own = self.service.shape.data.names
        some = [key for key in data if type(named) is list and own.get(key, key) in named]
        if problem.code not in ("not-fitting", "not-taken") or not some:
            return problem
        return Unrendered("placeholder-unknown", f"{problem.text} It is about: {', '.join(some)}.", problem.side)

    def _perhaps(self) -> Unrendered:
        return Unrendered(
            "perhaps-ordered",
            f"{self._it} may have been given this order, and knows no Idempotency-Key by which to ask: hilum does not "
            "order twice. Look there, then ask for the video anew.",
            "network",
        )

    # --- looking ------------------------------------------------------------------------------------------------------

    async def _looked(self, ticket: Ticket) -> Any:
        """The answer that says that it is done; or that it is under way. Raises Unrendered."""
        look, url = self.service.shape.look, self._looked_at(ticket)
        answer = await self._patiently(lambda: self._asking.ask("GET", url))
        word = shapes.at(look.status, answer)
        if word in look.done:
            return answer
        if word in look.failed:
            text = f"{self._it} says that the job has failed: its own pages know why."
            raise Unrendered("job-failed", text, "theirs")
        if word not in look.waiting:
            raise self._odd(f"a job whose state, at {look.status}, is none of `look` in `api` of its table")
        age = max(0.0, self._clock() - ticket.at)
        if age > self.service.seconds:
            await self.cancel(_text(ticket))
            minutes = self.service.seconds / 60
            raise Unrendered("too-slow", f"{self._it} has not made it in {minutes:.0f} minutes.", "theirs")
        part = shapes.at(look.progress, answer)
        share = min(1.0, max(0.0, part / look.whole)) if type(part) in (int, float) else 0.0
        pause = min(max(age / 2, self._pace.first), self._pace.most)
        return UnderWay(pause * random.uniform(*_JITTER), MADE * share)

    def _looked_at(self, ticket: Ticket) -> str:
        if not ticket.look:
            return self._url(shapes.path(self.service.shape.look.path, {"job": ticket.job}))
        url = urljoin(f"{self.service.base}/", ticket.look)
        where = target(url)
        if not isinstance(where, Target) or (where.scheme, where.host, where.port) != self.service.origin:
            raise self._odd("an address to look at that lies elsewhere than base, where our secret may not go")
        return url

    async def _patiently(self, ask: Callable[[], Awaitable[T]], *, ordering: bool = False) -> T:
        """Ask again while that may help, and may not order twice. Raises Unanswered."""
        pause = self._pace.first
        for left in range(self._pace.tries, -1, -1):
            try:
                return await ask()
            except Unanswered as problem:
                twice = ordering and problem.unsure and not self.service.shape.idempotent
                if not problem.again or twice or not left or problem.wait > LONGEST_WAIT:
                    raise
                log.warning("video service", renderer=self.name, code=problem.code, side=problem.side)
                await asyncio.sleep(max(problem.wait, pause * random.uniform(*_JITTER)))
                pause = min(pause * 2, self._pace.most)
        raise AssertionError

    # --- all ----------------------------------------------------------------------------------------------------------

    @property
    def _it(self) -> str:
        return f"The video service {self.name!r}"

    def _url(self, path: str) -> str:
        return self.service.base + path

    def _odd(self, what: str) -> Unrendered:
        return Unrendered("unexpected", f"{self._it} answers with {what}.", "theirs")


def _text(ticket: Ticket) -> str:
    return msgspec.json.encode(ticket).decode()


def _held(job: Job) -> Ticket | None:
    """The ticket of this job, if it has one: that of another draft is none."""
    found = _ticket(job.held)
    return found if found is not None and found.key == job.id else None


def _ticket(held: str) -> Ticket | None:
    try:
        return msgspec.json.decode(held, type=Ticket) if held else None
    except msgspec.DecodeError:
        return None


def _is_id(value: Any) -> bool:
    if type(value) is int:
        return True
    return type(value) is str and 0 < len(value) <= 256 and value.isprintable() and value not in (".", "..")
