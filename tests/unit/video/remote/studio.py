"""The stand-in of examples/ as a process of its own, and a renderer that asks it often."""

from __future__ import annotations

import asyncio
import dataclasses
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from hilum.video.remote import Remote, services
from hilum.video.remote.renderer import Pace
from hilum.video.remote.services import Service
from hilum.video.renderer import Job, Rendered, UnderWay, Wanted
from hilum.video.script import Citation, Scene, Script, Sentence
from hilum.web.outbound import Guard

STANDIN = Path(__file__).resolve().parents[4] / "examples" / "storyboard_service.py"
GUARD = Guard(loopback=True)
PACE = Pace(0.02, 0.1, 3)
TABLE = """
[studio]
environment = "sandbox"
base = "{base}"
auth = "{auth}"
secret_file = "{secret}"
callback_secret_file = "studio.callback.secret"
codecs = ["vp9", "h264"]
most_mb = 1
{more}

[[studio.storyboard]]
id = "visit-en-wide"
template = "after-visit"
language = "en"
shape = "wide"

[[studio.storyboard]]
id = "visit-es-tall"
template = "after-visit"
language = "es"
shape = "tall"
{api}
"""
CITED = (Citation("Patient/4711/_history/1", "Patient.name[0].given[0]", "Amy", "Amy"),)
SCRIPT = Script(
    "after-visit", "en", "Your visit", "Amy",
    (
        Scene("title", "title", "For you, Amy", (Sentence("title-1", "This is about your visit.", "visit", CITED),)),
        Scene("do", "do", "What to do", (Sentence("do-1", "Take 2.5 mg.", "dose", spoken="Take two and a half."),)),
    ),
    ("Patient/4711/_history/1",), "2026-11-23T10:00:00Z", 2.0,
)  # fmt: skip
WANTED = Wanted(SCRIPT)


class Studio:
    """The process."""

    def __init__(self, folder: Path, *flags: str) -> None:
        self.folder = folder
        self.process = subprocess.Popen(
            [sys.executable, str(STANDIN), "--port", "0", "--faults", *flags],
            cwd=folder, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert self.process.stdout is not None
        self.said = self.process.stdout.readline()
        self.base = next(word for word in self.said.replace(",", "").split() if word.startswith("http"))
        self.asking = httpx.Client(base_url=self.base, verify=False)

    def goes_wrong(self, *faults: str) -> None:
        self.asking.put("/faults", json=list(faults)).raise_for_status()

    def happened(self) -> dict[str, Any]:
        return dict(self.asking.get("/faults").json())

    def remote(
        self, *, auth: str = "bearer", secret: str = "studio.secret", more: str = "", api: str = "", **options: Any
    ) -> Remote:
        """The renderer, as its file has it."""
        text = TABLE.format(base=self.base, auth=auth, secret=secret, more=more, api=api)
        (self.folder / "renderers.toml").write_text(text)
        service = services(self.folder, "sandbox")["studio"]
        return Remote(service, GUARD, **{"pace": PACE, **options})

    def stop(self) -> None:
        self.asking.close()
        self.process.terminate()
        self.process.communicate()


def changed(remote: Remote, **changes: Any) -> Service:
    """The service of a renderer, but for this."""
    return dataclasses.replace(remote.service, **changes)


@contextmanager
def studio(folder: Path, *flags: str) -> Iterator[Studio]:
    made = Studio(folder, *flags)
    try:
        yield made
    finally:
        made.stop()


@dataclass
class Ordered:
    """A job, and all that it was told and gave to hold."""

    folder: Path
    id: str
    wanted: Wanted = WANTED
    held: list[str] = field(default_factory=list)
    parts: list[float] = field(default_factory=list)
    holding: asyncio.Event = field(default_factory=asyncio.Event)

    async def made(self, remote: Remote) -> Rendered:
        """What comes of it, looked at as often as is said."""
        found = await remote.render(self.job())
        if isinstance(found, UnderWay):
            await asyncio.sleep(found.seconds)
            return await self.made(remote)
        return found

    def job(self) -> Job:
        """As it is given before, or after a restart."""
        self.folder.mkdir(exist_ok=True)

        async def hold(text: str, name: str) -> None:
            self.held.append(text)
            if '"job"' in text:
                self.holding.set()

        return Job(self.id, self.wanted, self.folder, self.parts.append, self.held[-1] if self.held else "", hold)
