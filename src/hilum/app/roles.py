"""The roles that there are: those of hilum, and those of a file, which a server reads again when it changes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from hilum.access.roles import Role, Roles, packaged, roles
from hilum.app.settings import Settings
from hilum.problems import Misconfigured
from hilum.web import log

Stamp = tuple[int, int, int] | None
"""By which a file is known to be another one: time of change, size, inode; None: it can't be seen."""


def table(settings: Settings) -> Roles:
    """The roles as they are now. Raises Misconfigured."""
    if not settings.roles:
        return packaged()
    try:
        text = Path(settings.roles).expanduser().read_text("utf-8")
    except (OSError, UnicodeDecodeError):
        raise Misconfigured(f"The roles {settings.roles} can't be read. See docs/reference/access.md.") from None
    return roles(text, packaged())


class Current(Mapping[str, Role]):
    """The roles as a server knows them: a file that is not sound any more changes nothing, and the log says so.

    Raises Misconfigured where it is not sound at the start.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._seen = self._stamp()
        self._roles = table(settings)

    def look(self) -> bool:
        """Whether other roles hold now than before."""
        stamp = self._stamp()
        if stamp == self._seen:
            return False
        self._seen = stamp
        try:
            found = table(self._settings)
        except Misconfigured as problem:
            log.error("the roles are as they were", text=str(problem))
            return False
        if found == self._roles:
            return False
        self._roles = found
        log.info("roles", names=sorted(found))
        return True

    def _stamp(self) -> Stamp:
        if not self._settings.roles:
            return None
        try:
            found = Path(self._settings.roles).expanduser().stat()
        except OSError:
            return None
        return found.st_mtime_ns, found.st_size, found.st_ino

    def __getitem__(self, name: str) -> Role:
        return self._roles[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._roles)

    def __len__(self) -> int:
        return len(self._roles)
