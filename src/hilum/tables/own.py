"""Files of which each is one thing, by its name: those that come with hilum, and those of a folder in their place.

A file that is not sound stops only itself: whoever names it is told what is wrong with it, and gets no packaged one of
the same name.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from importlib.resources.abc import Traversable
from pathlib import Path
from types import MappingProxyType
from typing import Any, ClassVar, Final, Generic, TypeVar

from hilum.problems import Invalid, Misconfigured
from hilum.tables.place import Place
from hilum.tables.reading import parsed
from hilum.web import log

T = TypeVar("T")
_END: Final = ".toml"
_NAME: Final = re.compile(r"[a-z][a-z0-9-]{0,39}")
_MOST: Final = 64


@dataclass(frozen=True, slots=True)
class Tables(Mapping[str, T], Generic[T]):
    """Those that are sound, by name. `unsound`: what is wrong with the files that there are beside them, by the name
    that each would have. `kind`: what each is, `recipe`.
    """

    kind: ClassVar[str]
    sound: Mapping[str, T]
    unsound: Mapping[str, str] = field(default_factory=dict)

    def __getitem__(self, name: str) -> T:
        return self.sound[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.sound)

    def __len__(self) -> int:
        return len(self.sound)

    @property
    def names(self) -> frozenset[str]:
        """All that can be named: a file that is not sound may be mended."""
        return frozenset((*self.sound, *self.unsound))

    def named(self, name: str) -> T:
        """That of this name. Raises Invalid (`expression`: the kind), which says why there is none."""
        if name in self.sound:
            return self.sound[name]
        if name in self.unsound:
            text = f"The {self.kind} {name[:_MOST]!r} can't be used. {self.unsound[name]}"
            raise Invalid(text, expression=self.kind)
        text = f"There is no {self.kind} {name[:_MOST]!r}. There are {', '.join(sorted(self.sound))}."
        raise Invalid(text, expression=self.kind)


All = TypeVar("All", bound=Tables[Any])
Made = Callable[[str, str], T]
"""Makes one of a file, as people name it, and its text. Raises Misconfigured."""


def opened(kind: str, file: str, text: str) -> tuple[str, Place, dict[str, Any]]:
    """A file's name without its end, where it is, and its table. Raises Misconfigured."""
    place = Place(f"{kind.capitalize()} {file}")
    name = Path(file).name.removesuffix(_END)
    if not _NAME.fullmatch(name):
        raise Misconfigured(f"{place.file}: the name must have at most 40 letters a-z, digits and '-'.")
    return name, place, parsed(text, place.file)


def packaged(folder: Traversable, made: Made[T]) -> Mapping[str, T]:
    """Those of a folder that comes with hilum. Raises Misconfigured."""
    found = sorted((one for one in folder.iterdir() if one.name.endswith(_END)), key=lambda one: one.name)
    return MappingProxyType({one.name.removesuffix(_END): made(one.name, one.read_text("utf-8")) for one in found})


def beside(all: type[All], packaged: Mapping[str, T], folder: Path, made: Made[T]) -> All:
    """The packaged ones, and those of a folder, if there is one, in their place."""
    found, unsound = dict(packaged), {}
    for path in sorted(folder.glob(f"*{_END}")):
        found.pop(path.stem, None)
        file = f"{folder.name}/{path.name}"
        try:
            found[path.stem] = made(file, path.read_text("utf-8"))
        except (OSError, UnicodeError):
            unsound[path.stem] = f"{all.kind.capitalize()} {file} can't be read: expected a file of UTF-8 text."
        except Misconfigured as problem:
            unsound[path.stem] = str(problem)
    return all(MappingProxyType(found), MappingProxyType(unsound))


class Own(Generic[All]):
    """Those that there are whenever it is called. What is wrong with a file is logged once.

    `read`: `beside`, of a folder.
    """

    def __init__(self, read: Callable[[], All]) -> None:
        self._read, self._told = read, frozenset[str]()

    def __call__(self) -> All:
        """Those of now."""
        found = self._read()
        wrong = frozenset(found.unsound.values())
        for text in sorted(wrong - self._told):
            log.warning(f"a {found.kind} can't be used", text=text)
        self._told = wrong
        return found
