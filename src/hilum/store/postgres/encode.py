"""Writes as the arrays that the function apply() takes: pure, but for the rids that it is given."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from typing import Any

from hilum.fhir.definitions import TYPE_NUMBER
from hilum.search.rows import NO_ROWS, Rows
from hilum.store import keys
from hilum.store.interface import Write
from hilum.store.postgres.names import METHOD_NUMBER, Name

FOLDED = 200
"""How many characters of a folded string are in the index; string.whole has all where there are more."""
COMPARTMENT = 0
"""As the parameter of a reference: the target is a compartment that the resource is in."""


@dataclass(slots=True)
class Columns:
    """The arrays of apply(), in its order, from w_fresh to rx_rid."""

    w_fresh: list[bool] = field(default_factory=list)
    w_rid: list[int] = field(default_factory=list)
    w_type: list[int] = field(default_factory=list)
    w_id: list[str] = field(default_factory=list)
    w_version: list[int] = field(default_factory=list)
    w_method: list[int] = field(default_factory=list)
    w_params: list[str | None] = field(default_factory=list)
    w_compartments: list[str | None] = field(default_factory=list)
    w_labels: list[str | None] = field(default_factory=list)
    w_head: list[bytes | None] = field(default_factory=list)
    w_tail: list[bytes | None] = field(default_factory=list)
    t_param: list[int] = field(default_factory=list)
    t_value: list[int] = field(default_factory=list)
    t_rid: list[int] = field(default_factory=list)
    s_param: list[int] = field(default_factory=list)
    s_folded: list[str] = field(default_factory=list)
    s_whole: list[str | None] = field(default_factory=list)
    s_value: list[str] = field(default_factory=list)
    s_rid: list[int] = field(default_factory=list)
    d_param: list[int] = field(default_factory=list)
    d_span: list[int] = field(default_factory=list)
    d_low: list[int] = field(default_factory=list)
    d_high: list[int] = field(default_factory=list)
    d_rid: list[int] = field(default_factory=list)
    r_target: list[int] = field(default_factory=list)
    r_param: list[int] = field(default_factory=list)
    r_rid: list[int] = field(default_factory=list)
    tx_param: list[int] = field(default_factory=list)
    tx_value: list[int] = field(default_factory=list)
    tx_rid: list[int] = field(default_factory=list)
    sx_param: list[int] = field(default_factory=list)
    sx_folded: list[str] = field(default_factory=list)
    sx_value: list[str] = field(default_factory=list)
    sx_rid: list[int] = field(default_factory=list)
    dx_param: list[int] = field(default_factory=list)
    dx_span: list[int] = field(default_factory=list)
    dx_low: list[int] = field(default_factory=list)
    dx_high: list[int] = field(default_factory=list)
    dx_rid: list[int] = field(default_factory=list)
    rx_target: list[int] = field(default_factory=list)
    rx_param: list[int] = field(default_factory=list)
    rx_rid: list[int] = field(default_factory=list)

    def arguments(self) -> list[Any]:
        """All of them, in order; those of numbers as text."""
        return [literal(getattr(self, name)) if plain else getattr(self, name) for name, plain in _COLUMNS]


_COLUMNS = tuple((one.name, one.type in ("list[int]", "list[bool]")) for one in fields(Columns))


def literal(numbers: Sequence[int]) -> str:
    """An array of numbers (or booleans) as PostgreSQL writes it: the driver takes twice as long for a list."""
    return "{" + ",".join(map(str, numbers)) + "}" if numbers else "{}"


def tokens(rows: Rows) -> dict[tuple[int, int], None]:
    """(parameter, key) of tokens and uris, each once."""
    key = keys.token
    found = {(row[0], key(row[1], row[2])): None for row in rows.tokens}
    for row in rows.uris:
        found[row[0], keys.uri(row[1])] = None
    return found


def strings(rows: Rows) -> dict[tuple[int, str, str], None]:
    """(parameter, folded, value) without the NUL that PostgreSQL's text can't hold."""
    return {(row[0], writable(row[1]), writable(row[2])): None for row in rows.strings}


def writable(text: str) -> str:
    """Text that PostgreSQL can hold."""
    return text.replace("\0", "\ufffd") if "\0" in text else text


def references(rows: Rows) -> dict[tuple[Name, int], None]:
    """(target, parameter), each once; one row per compartment has it negative, or 0 where no parameter refers to it."""
    found = {((row[1], row[2]), row[0]): None for row in rows.references}
    for owner in rows.compartments:
        param = min((p for name, p in found if name == owner), default=COMPARTMENT)
        found.pop((owner, param), None)
        found[owner, -param] = None
    return found


def targets(writes: Sequence[Write]) -> set[Name]:
    """Every name that the rows of the writes, or of the versions before them, refer to."""
    found: set[Name] = set()
    for write in writes:
        for rows in (write.rows, write.old):
            found.update(rows.compartments)
            found.update([(row[1], row[2]) for row in rows.references])
    return found


def encode(writes: Sequence[Write], rids: dict[Name, int], fresh: set[Name]) -> Columns:
    """The arrays. `rids` has every name written or referred to; `fresh` are those that become rows now."""
    out = Columns()
    for write in writes:
        name = (write.type, write.id)
        rid = rids[name]
        _version(out, write, rid, rids, name in fresh)
        if write.rows is not write.old:
            _rows(out, rid, write.rows, write.old, rids)
    return out


def _version(out: Columns, write: Write, rid: int, rids: dict[Name, int], fresh: bool) -> None:
    # A deletion stays visible in history to those who saw what it deleted.
    seen = write.rows if write.draft else write.old
    out.w_fresh.append(fresh)
    out.w_rid.append(rid)
    out.w_type.append(TYPE_NUMBER[write.type])
    out.w_id.append(write.id)
    out.w_version.append(write.version)
    out.w_method.append(METHOD_NUMBER[write.method])
    out.w_params.append(_array(parameters(write.rows)))
    out.w_compartments.append(_array([rids[owner] for owner in seen.compartments]))
    out.w_labels.append(_array([keys.token(system, code) for system, code in seen.labels]))
    head, tail = write.draft.around(write.version) if write.draft else (None, None)
    out.w_head.append(head)
    out.w_tail.append(tail)


def parameters(rows: Rows) -> list[int]:
    """The parameters that have a value."""
    found = {row[0] for row in rows.tokens}
    for kind in (rows.strings, rows.dates, rows.references, rows.uris):
        if kind:
            found.update([row[0] for row in kind])
    return sorted(found)


def _array(values: Sequence[int]) -> str | None:
    return literal(values) if values else None


def _rows(out: Columns, rid: int, new: Rows, old: Rows, rids: dict[Name, int]) -> None:
    # What an update leaves as it was is one and the same tuple in both (hilum.search.before).
    if new.tokens is not old.tokens or new.uris is not old.uris:
        _tokens(out, rid, tokens(new), tokens(old) if old is not NO_ROWS else {})
    if new.strings is not old.strings:
        _strings(out, rid, strings(new), strings(old))
    if new.dates is not old.dates:
        _dates(out, rid, set(new.dates), set(old.dates))
    if new.references is not old.references or new.compartments is not old.compartments:
        _references(out, rid, references(new), references(old) if old is not NO_ROWS else {}, rids)


def _tokens(out: Columns, rid: int, new: dict[tuple[int, int], None], old: dict[tuple[int, int], None]) -> None:
    for param, value in new.keys() - old.keys() if old else new:
        out.t_param.append(param)
        out.t_value.append(value)
        out.t_rid.append(rid)
    for param, value in old.keys() - new.keys():
        out.tx_param.append(param)
        out.tx_value.append(value)
        out.tx_rid.append(rid)


def _references(
    out: Columns, rid: int, new: dict[tuple[Name, int], None], old: dict[tuple[Name, int], None], rids: dict[Name, int]
) -> None:
    for name, param in new.keys() - old.keys() if old else new:
        out.r_target.append(rids[name])
        out.r_param.append(param)
        out.r_rid.append(rid)
    for name, param in old.keys() - new.keys():
        out.rx_target.append(rids[name])
        out.rx_param.append(param)
        out.rx_rid.append(rid)


def _strings(
    out: Columns, rid: int, new: dict[tuple[int, str, str], None], old: dict[tuple[int, str, str], None]
) -> None:
    for param, folded, value in new.keys() - old.keys():
        out.s_param.append(param)
        out.s_folded.append(folded[:FOLDED])
        out.s_whole.append(folded if len(folded) > FOLDED else None)
        out.s_value.append(value)
        out.s_rid.append(rid)
    for param, folded, value in old.keys() - new.keys():
        out.sx_param.append(param)
        out.sx_folded.append(folded[:FOLDED])
        out.sx_value.append(value)
        out.sx_rid.append(rid)


def _dates(out: Columns, rid: int, new: set[Any], old: set[Any]) -> None:
    for param, low, high in new - old:
        out.d_param.append(param)
        out.d_span.append(keys.span(low, high))
        out.d_low.append(low)
        out.d_high.append(high)
        out.d_rid.append(rid)
    for param, low, high in old - new:
        out.dx_param.append(param)
        out.dx_span.append(keys.span(low, high))
        out.dx_low.append(low)
        out.dx_high.append(high)
        out.dx_rid.append(rid)
