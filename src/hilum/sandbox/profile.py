"""What a vendor's EHR does where hilum does otherwise, and how that is known: `quirks.toml`, read once."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from functools import lru_cache
from importlib.resources import files
from typing import Final, Literal

import msgspec

Known = Literal["page", "captured", "reported", "unsourced"]
"""The vendor's documentation; an answer that was recorded; what developers report; nothing that is public."""
ANY: Final = "*"
"""In sizes of pages: types that are not named."""


class Strict(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A table of the file: what it holds and nothing else."""


class Quirk(Strict, frozen=True):
    """One thing that is so, where that is written, and the entries of the profile that it accounts for."""

    name: str
    says: str
    known: Known
    source: tuple[str, ...]
    date: date
    sets: tuple[str, ...]


class Issue(Strict, frozen=True):
    """An issue of an OperationOutcome. `coding`: the vendor's own code; `status`: of the answer that has it alone."""

    severity: str
    code: str
    text: str
    coding: str = ""
    status: int = 400


class Needs(Strict, frozen=True):
    """Searches of these types are refused with the issue unless they have one of the parameters."""

    types: frozenset[str]
    one_of: frozenset[str]
    issue: str


class Paging(Strict, frozen=True):
    """`style`: the parameter that names a page. `sizes`, `most`: by type, how many come without `_count`, and at most.
    `uncounted`: parameters with which `_count` counts for nothing. `first_whole`: the category of Observations that are
    all on the first page. `lasts`: for how many seconds a page can be had.
    """

    style: Literal["sessionID", "-pageContext"]
    total: Literal["matches", "page", "absent"]
    lasts: int
    sizes: Mapping[str, int]
    most: Mapping[str, int] = {}
    uncounted: frozenset[str] = frozenset()
    first_whole: str = ""

    def size(self, type: str, asked: int | None) -> int:
        """How many matches a page of this type has."""
        size = self.sizes.get(type, self.sizes[ANY]) if asked is None else asked
        return min(size, self.most.get(type, self.sizes[ANY]))


class Tokens(Strict, frozen=True):
    """`seconds`: how long access tokens last, 0 for as long as hilum's. `new_refresh`: whether a refresh brings another
    refresh token. `wildcards`: whether scopes may name all types. `errors`: how the token endpoint refuses.
    """

    seconds: int = 0
    new_refresh: bool = True
    wildcards: bool = True
    errors: Literal["", "no-description", "uri"] = ""


class RecordNumber(Strict, frozen=True):
    """Medical record numbers: their system, label and code of v2-0203, the number before that of the first patient, and
    the system of another site, in which the same numbers are other people's.
    """

    system: str
    label: str
    first: int
    elsewhere: str
    code: str = ""


class Profile(Strict, frozen=True):
    """One vendor. What is not set is as hilum has it.

    `codes`: the system of the vendor's own codes of issues. `format`: of answers where none is asked for.
    `unauthorized`, `forbidden`, `unknown_type`: what a 401, a 403, and an unknown type are answered with. `system`:
    interactions of the whole system that there are. `empty`, `partial`: issues of searches without results, and of
    those by a patient. `told_unknown`: types whose searches tell which parameters were passed over. `errors`: issues by
    the status of hilum's answer.
    """

    title: str
    record_number: RecordNumber
    issues: Mapping[str, Issue]
    quirk: tuple[Quirk, ...]
    codes: str = ""
    format: Literal["json", "xml"] = "json"
    json_only: bool = False
    unauthorized: Literal["", "string", "empty"] = ""
    forbidden: Literal["", "outcome", "insufficient-scope"] = ""
    unknown_type: Literal["", "html"] = ""
    system: tuple[str, ...] | None = None
    empty: str = ""
    partial: str = ""
    told_unknown: frozenset[str] = frozenset()
    most_patients: int = 0
    tokens: Tokens = Tokens()
    paging: Paging | None = None
    needs: tuple[Needs, ...] = ()
    errors: Mapping[int, str] = {}


class _File(Strict, frozen=True):
    profile: Mapping[str, Profile]


@lru_cache(maxsize=1)
def profiles() -> Mapping[str, Profile]:
    """All of them, by name: epic, oracle, plain."""
    text = files("hilum.sandbox").joinpath("quirks.toml").read_text("utf-8")
    return msgspec.toml.decode(text, type=_File, strict=False).profile  # keys of a table are text: 404 is read as one
