"""The lines of generated code that write a value down as rows, form by form. See generate.py.

Each gets the name of the variable that holds the value and the selections whose rows it is part of, and appends plain
tuples to lists that are named as `Rows` names them. Temporary variables are one letter.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from hilum.fhirpath.references import local, target_type
from hilum.search.dates import interval, period, timing
from hilum.search.numbers import double, money, quantity, range_, sampled, span
from hilum.search.selections import Leaf, Selection
from hilum.search.sounds import sounds
from hilum.search.text import base, fold, later_words

Noted = tuple[Leaf, Selection]
Owners = dict[int, tuple[str, ...]]
"""Number of a reference selection -> the compartments into which a target of that type puts the resource."""


def identified(reference: dict[str, Any]) -> str | None:
    """The type of what a Reference means, by its text or by its `type`; None when neither says."""
    return target_type(reference.get("reference", "")) or reference.get("type")


NAMES: Final[dict[str, Any]] = {
    one.__name__: one
    for one in (
        *(fold, later_words, interval, period, timing, local, target_type, identified, sounds),
        *(double, quantity, money, range_, sampled, span, base),
    )
}
"""What the lines refer to."""


def note(form: str, system: str | None, noted: list[Noted], v: str, owners: Owners) -> list[str]:
    """The lines that write the value in `v` down for each selection."""
    if form in ("reference", "unsaid"):
        return _reference(noted, v, owners)
    return _WRITERS[form](v, [selection for _, selection in noted], system)


def _texts(some: list[Selection], held: str, key: str, pad: str = "") -> list[str]:
    """The TermRows of a text beside a code."""
    numbers = [one.text for one in some if one.text]
    if not numbers:
        return []
    return [
        f"{pad}if {key!r} in {held}:",
        f"{pad} f = fold({held}[{key!r}])",
        f"{pad} if f:",
        *(f"{pad}  terms.append(({n}, f))" for n in numbers),
    ]


def _coded(some: list[Selection], v: str, key: str, pad: str = "") -> list[str]:
    """The TokenRows of a Coding or an Identifier."""
    numbers = [one.main for one in some if one.main]
    if not numbers:
        return []
    return [
        f"{pad}s = {v}.get('system'); c = {v}.get({key!r})",
        f"{pad}if c is not None or s is not None:",
        *(f"{pad} tokens.append(({n}, s, c))" for n in numbers),
    ]


def _coding(v: str, some: list[Selection], _: str | None) -> list[str]:
    return _coded(some, v, "code") + _texts(some, v, "display")


def _concept(v: str, some: list[Selection], _: str | None) -> list[str]:
    lines = [f"for d in {v}.get('coding', ()):", *_coded(some, "d", "code", " "), *_texts(some, "d", "display", " ")]
    return [*lines, *_texts(some, v, "text")]


def _identifier(v: str, some: list[Selection], _: str | None) -> list[str]:
    of_type = [one.of_type for one in some if one.of_type]
    inner = _texts(some, "y", "text", " ")
    if of_type:
        inner += [
            f" if 'value' in {v}:",
            f"  c = {v}['value']",
            "  for d in y.get('coding', ()):",
            "   if 'code' in d:",
            "    s = d.get('system', '') + '|' + d['code']",
            *(f"    tokens.append(({n}, s, c))" for n in of_type),
        ]
    lines = _coded(some, v, "value")
    return [*lines, f"if 'type' in {v}:", f" y = {v}['type']", *inner] if inner else lines


def _main(list_: str, *values: str) -> Callable[[str, list[Selection], str | None], list[str]]:
    """One row per selection, of these expressions; {v} is the value, {s} the system."""

    def lines(v: str, some: list[Selection], system: str | None) -> list[str]:
        row = ", ".join(values).format(v=v, s=repr(system))
        return [f"{list_}.append(({one.main}, {row}))" for one in some if one.main]

    return lines


def _contact(v: str, some: list[Selection], _: str | None) -> list[str]:
    return [f"if 'value' in {v}:", *(f" tokens.append(({one.main}, None, {v}['value']))" for one in some)]


def _string(v: str, some: list[Selection], _: str | None) -> list[str]:
    return [f"f = fold({v})", *(f"strings.append(({one.main}, f, {v}))" for one in some)]


def _family(v: str, some: list[Selection], _: str | None) -> list[str]:
    rows = [f"  strings.append(({one.rest}, f, {v}))" for one in some if one.rest]
    later = [f" for f in later_words({v}):", *rows]
    return [*_string(v, [one for one in some if one.main], None), *(["if ' ' in f:", *later] if rows else [])]


def _sound(v: str, some: list[Selection], _: str | None) -> list[str]:
    return [f"for c in sounds({v}):", *(f" tokens.append(({one.main}, None, c))" for one in some)]


def _date(v: str, some: list[Selection], _: str | None) -> list[str]:
    return [f"l, h = interval({v})", *(f"dates.append(({one.main}, l, h))" for one in some)]


def _perhaps(list_: str, function: str) -> Callable[[str, list[Selection], str | None], list[str]]:
    """A function that gives the values of a row or None."""

    def lines(v: str, some: list[Selection], _: str | None) -> list[str]:
        rows = (f" {list_}.append(({one.main}, *p))" for one in some)
        return [f"p = {function}({v})", "if p is not None:", *rows]

    return lines


def _number(v: str, some: list[Selection], _: str | None) -> list[str]:
    return [f"l = double({v})", *(f"quantities.append(({one.main}, l, l, None, None, None))" for one in some)]


def _span(v: str, some: list[Selection], _: str | None) -> list[str]:
    rows = (f" quantities.append(({one.main}, *p, None, None, None))" for one in some)
    return [f"p = span({v})", "if p is not None:", *rows]


def _uri(v: str, some: list[Selection], _: str | None) -> list[str]:
    lines = [f"uris.append(({one.main}, {v}))" for one in some if one.main]
    return lines + [f"strings.append(({one.whole}, {v}, {v}))" for one in some if one.whole]


def _canonical(v: str, some: list[Selection], _: str | None) -> list[str]:
    """With a version also without it; that the text is then not as written, tells who follows it (canonicals.py)."""
    bare = [f" uris.append(({one.main}, u))" for one in some if one.main]
    bare += [f" strings.append(({one.whole}, u, {v}))" for one in some if one.whole]
    lines = [*_uri(v, some, None)]
    return [*lines, f"if '|' in {v}:", f" u = {v}.partition('|')[0]", *bare] if bare else lines


def _mime(v: str, some: list[Selection], system: str | None) -> list[str]:
    lines = _main("tokens", "{s}", "{v}")(v, some, system)
    wholes = [one.whole for one in some if one.whole]
    return [*lines, f"m = base({v})", *(f"strings.append(({n}, m, m))" for n in wholes)] if wholes else lines


def _near(v: str, some: list[Selection], _: str | None) -> list[str]:
    rows = (f" nears.append(({one.main}, double({v}['latitude']), double({v}['longitude'])))" for one in some)
    return [f"if 'latitude' in {v} and 'longitude' in {v}:", *rows]


_WRITERS: Final[dict[str, Callable[[str, list[Selection], str | None], list[str]]]] = {
    "concept": _concept,
    "coding": _coding,
    "identifier": _identifier,
    "contact": _contact,
    "boolean": _main("tokens", "None", "'true' if {v} else 'false'"),
    "code": _main("tokens", "{s}", "{v}"),
    "mime": _mime,
    "text": _main("tokens", "None", "{v}"),
    "caseless": _main("tokens", "None", "{v}.casefold()"),
    "string": _string,
    "family": _family,
    "sound": _sound,
    "date": _date,
    "period": _perhaps("dates", "period"),
    "timing": _perhaps("dates", "timing"),
    "number": _number,
    "span": _span,
    "quantity": _perhaps("quantities", "quantity"),
    "money": _perhaps("quantities", "money"),
    "range": _perhaps("quantities", "range_"),
    "sampled": _perhaps("quantities", "sampled"),
    "uri": _uri,
    "canonical": _canonical,
    "near": _near,
}


def _reference(noted: list[Noted], v: str, owners: Owners) -> list[str]:
    lines: list[str] = []
    main = [(leaf, one.main) for leaf, one in noted if one.main and leaf.form == "reference"]
    named: dict[int, list[Leaf]] = {}
    for leaf, one in noted:
        if one.identifier:
            named.setdefault(one.identifier, []).append(leaf)
    if main:
        apart = any(leaf.only or leaf.but for leaf, _ in main)
        lines += [f"if 'reference' in {v}:", f" r = {v}['reference']"]
        lines += [" p = local(r)", " if p is not None:", "  t, i = p"]
        lines += [f"  {_when(leaf)}references.append(({n}, t, i))" for leaf, n in main]
        if types := sorted({owner for leaf, n in main for owner in owners.get(n, ()) if _about(leaf, owner)}):
            test = f"t == {types[0]!r}" if len(types) == 1 else f"t in {tuple(types)!r}"
            lines += [f"  if {test}:", "   compartments.append(p)"]
        lines += [" elif r[:1] != '#':", *(["  t = target_type(r)"] if apart else [])]
        lines += [f"  {_when(leaf)}uris.append(({n}, r))" for leaf, n in main]
        if named:
            lines += [f" elif 'identifier' not in {v}:", *_identifiers(named, v, "None, None", "  ")]
            lines += [f"elif 'identifier' not in {v}:", *_identifiers(named, v, "None, None", " ")]
    elif named:
        lines += [f"if {v}.get('reference', '#')[:1] == '#' and 'identifier' not in {v}:"]
        lines += _identifiers(named, v, "None, None", " ")
    if named:
        lines += [f"if 'identifier' in {v}:", f" y = {v}['identifier']", " s = y.get('system'); c = y.get('value')"]
        lines += [f" if c is not None or s is not None or {v}.get('reference', '#')[:1] == '#':"]
        lines += _identifiers(named, v, "s, c", "  ")
    return lines


def _identifiers(named: dict[int, list[Leaf]], v: str, row: str, pad: str) -> list[str]:
    """The rows of Reference.identifier; one of nothing where there is a Reference and no other row tells of it."""
    lines = [f"{pad}t = identified({v})"] if any(map(_whose, named.values())) else []
    return [*lines, *(f"{pad}{_whose(some)}tokens.append(({n}, {row}))" for n, some in named.items())]


def _about(leaf: Leaf, type: str) -> bool:
    return leaf.only == type if leaf.only else type not in leaf.but


def _test(leaf: Leaf) -> str:
    """The condition on the target's type `t` under which a Reference belongs to the leaf; "" when there is none."""
    if leaf.form == "unsaid":
        return "t is None"
    if leaf.only:
        return f"t == {leaf.only!r}"
    return f"t not in {leaf.but!r}" if leaf.but else ""


def _when(leaf: Leaf) -> str:
    """The same as the beginning of a line."""
    test = _test(leaf)
    return f"if {test}: " if test else ""


def _whose(some: list[Leaf]) -> str:
    """As `_when`, for identifiers: what is not about anything in particular does not take what is unsaid."""
    tests = [_test(leaf) + (" and t is not None" if leaf.but and leaf.form == "reference" else "") for leaf in some]
    return f"if {' or '.join(tests)}: " if all(tests) else ""
