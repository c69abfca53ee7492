"""From what a search parameter selects to what can be written down as rows. https://hl7.org/fhir/R4/search.html#table

A `Leaf` is a path that ends in one value and the form in which its rows are written (notes.py). A `Selection` is a set
of leaves of one resource type whose rows share a number, because every parameter takes all of them or none: `code` and
`component.code` of Observation are two, `combo-code` is both. Nothing is stored twice.

The numbers are hashes of the selection and nothing else: the same in every process, store and release, and others as
soon as the selection changes and old rows would be wrong.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from hashlib import blake2b
from typing import Final, NamedTuple

from hilum.fhir import definitions
from hilum.fhirpath.paths import Field, Path, RefersTo
from hilum.fhirpath.types import Type, properties

_URI: Final = ("uri", "url", "oid", "uuid")
MIME: Final = "urn:ietf:bcp:13"
"""The system of MIME types."""
_QUANTITY: Final = ("Quantity", "Age", "Count", "Distance", "Duration", "MoneyQuantity", "SimpleQuantity")

FORMS: Final[dict[tuple[str, str], str]] = {
    ("token", "CodeableConcept"): "concept",
    ("token", "Coding"): "coding",
    ("token", "Identifier"): "identifier",
    ("token", "ContactPoint"): "contact",
    ("token", "boolean"): "boolean",
    ("token", "code"): "code",
    ("token", "string"): "caseless",
    **{("token", t): "text" for t in ("id", "canonical", *_URI)},
    **{("string", t): "string" for t in ("string", "markdown")},
    **{("phonetic", t): "sound" for t in ("string", "markdown")},
    **{("date", t): "date" for t in ("date", "dateTime", "instant")},
    ("date", "Period"): "period",
    ("date", "Timing"): "timing",
    **{("number", t): "number" for t in ("integer", "positiveInt", "unsignedInt", "decimal")},
    ("number", "Range"): "span",
    **{("quantity", t): "quantity" for t in _QUANTITY},
    ("quantity", "Money"): "money",
    ("quantity", "Range"): "range",
    ("quantity", "SampledData"): "sampled",
    **{("uri", t): "uri" for t in _URI},
    ("uri", "canonical"): "canonical",
    ("reference", "Reference"): "reference",
    ("reference", "canonical"): "canonical",
    ("reference", "uri"): "uri",
}
"""(kind of parameter, FHIR type) -> form.

What is neither here nor in `PARTS` is not in the index: the text of Immunization.occurrence is no date, nor is
Procedure.performedAge, and no Attachment is a reference.
"""

PARTS: Final[dict[tuple[str, str], tuple[str, ...]]] = {
    ("string", "HumanName"): ("text", "family", "given", "prefix", "suffix"),
    ("string", "Address"): ("text", "line", "city", "district", "state", "postalCode", "country"),
    ("phonetic", "HumanName"): ("text", "family", "given"),
    **{(kind, "Extension"): ("value",) for kind in ("token", "string", "reference", "date", "number", "quantity")},
}
"""(kind of parameter, FHIR type) -> the elements of which it consists for that search."""

ROLES: Final[dict[str, tuple[str, ...]]] = {
    "concept": ("main", "text"),
    "coding": ("main", "text"),
    "identifier": ("main", "text", "of_type"),
    "reference": ("main", "identifier"),
    "unsaid": ("identifier",),
    "uri": ("main", "whole"),
    "canonical": ("main", "whole"),
    "family": ("main", "rest"),
    "mime": ("main", "whole"),
}
"""Form -> the numbers under which its rows stand: of `main` alone unless it is listed here."""


class Leaf(NamedTuple):
    """A path to one value, and the form of its rows.

    `system`: of a `code`, what its required binding implies. Of a Reference `only` and `but` name the type of the
    target: where a parameter is about Patients alone (`where(resolve() is Patient)`), its references and all others
    are two leaves. The form `unsaid` is the identifier of such a Reference when nothing tells the type of its target:
    it belongs to both.
    """

    path: Path
    form: str
    system: str | None = None
    only: str | None = None
    but: tuple[str, ...] = ()

    def __str__(self) -> str:
        end = f"[->{self.only}]" if self.only else f"[->not {','.join(self.but)}]" if self.but else ""
        return f"{self.path}:{self.form}{end}" + (f"={self.system}" if self.system else "")


@dataclass(frozen=True, slots=True)
class Selection:
    """Leaves of a kind that share their numbers; 0 where a role has no rows.

    `main`: the rows of the parameter's own kind. `text`: TermRows. `of_type`: TokenRows "system|code" of the type, and
    the identifier's value. `identifier`: TokenRows of Reference.identifier. `whole`: StringRows of uris as they are,
    and of MIME types without their parameters. `rest`: StringRows of what follows the first word of a family name:
    searched, but not sorted by. `expression`: what is computed instead of walked; it has no leaves then.
    """

    kind: str
    leaves: tuple[Leaf, ...]
    main: int = 0
    text: int = 0
    of_type: int = 0
    identifier: int = 0
    whole: int = 0
    rest: int = 0
    expression: str | None = None

    @property
    def numbers(self) -> tuple[int, ...]:
        """All its numbers."""
        return tuple(n for n in (self.main, self.text, self.of_type, self.identifier, self.whole, self.rest) if n)


def number(*parts: str) -> int:
    """31 bits, positive."""
    return int.from_bytes(blake2b("|".join(parts).encode(), digest_size=4).digest(), "big") & 0x7FFFFFFF or 1


def versioned(type: str) -> int:
    """The number of the StringRows `url|version` of a type whose resources are named by their url; see canonicals."""
    return number(type, "url", "versioned")


def selection(type: str, kind: str, leaves: Iterable[Leaf]) -> Selection:
    """The selection that these leaves of a resource type are together."""
    ordered = tuple(sorted(leaves, key=str))
    main, text, of_type, identifier, whole, rest = (
        number(type, kind, role, *texts)
        if (texts := [str(leaf) for leaf in ordered if role in ROLES.get(leaf.form, ("main",))])
        else 0
        for role in ("main", "text", "of_type", "identifier", "whole", "rest")
    )
    return Selection(kind, ordered, main, text, of_type, identifier, whole, rest)


def computed(type: str, kind: str, expression: str, targets: tuple[str, ...] = ()) -> Selection:
    """The selection of an expression that is more than paths: of nested resources those of the target types."""
    return Selection(kind, (), number(type, kind, "main", f"={expression}", *targets), expression=expression)


def grouped(type: str, kind: str, wanted: dict[str, tuple[Leaf, ...]]) -> dict[str, tuple[Selection, ...]]:
    """Code -> selections, where `wanted` are the leaves of each parameter of that kind: as few as there can be."""
    takers: dict[Leaf, list[str]] = {}
    for code, some in wanted.items():
        for leaf in some:
            takers.setdefault(leaf, []).append(code)
    groups: dict[tuple[str, ...], list[Leaf]] = {}
    for leaf, codes in takers.items():
        groups.setdefault(tuple(codes), []).append(leaf)
    found: dict[str, list[Selection]] = {code: [] for code in wanted}
    for together, members in groups.items():
        one = selection(type, kind, members)
        for code in together:
            found[code].append(one)
    return {code: tuple(selections) for code, selections in found.items()}


def leaves(kind: str, path: Path) -> Iterator[Leaf]:
    """What a parameter of a kind stores of the values at the end of a path."""
    name = path.type.name
    if parts := PARTS.get((kind, name)):
        for part in parts:
            for below in path.into(part):
                if name != "Extension" or (kind, below.type.name) in FORMS:
                    yield from leaves(kind, below)
    elif form := FORMS.get((kind, name)):
        if form == "string" and _is_family(path):
            form = "family"
        system = _system(path) if form == "code" else None
        yield Leaf(path, "mime" if system == MIME else form, system)
    elif kind == "special":
        yield Leaf(path, "near")


def parted(wanted: dict[str, tuple[Leaf, ...]]) -> dict[str, tuple[Leaf, ...]]:
    """The leaves of all reference parameters of a type, those References parted by target that some part."""
    targets: dict[Path, set[str]] = {}
    plain = {code: [_unrestricted(leaf) for leaf in some] for code, some in wanted.items()}
    for some in plain.values():
        for leaf in some:
            if leaf.only:
                targets.setdefault(leaf.path, set()).add(leaf.only)
    found = {}
    for code, some in plain.items():
        parts: dict[Leaf, None] = {}
        for leaf in some:
            kinds = tuple(sorted(targets.get(leaf.path, ())))
            if not kinds or leaf.form != "reference":
                parts[leaf] = None
                continue
            for only in (leaf.only,) if leaf.only else kinds:
                parts[Leaf(leaf.path, "reference", only=only)] = None
            if not leaf.only:
                parts[Leaf(leaf.path, "reference", but=kinds)] = None
            parts[Leaf(leaf.path, "unsaid", but=kinds)] = None
        found[code] = tuple(parts)
    return found


def _unrestricted(leaf: Leaf) -> Leaf:
    match leaf:
        case Leaf(path=Path(steps=(*before, RefersTo(type=only)), type=type), form="reference"):
            return Leaf(Path(tuple(before), type), "reference", only=only)
    return leaf


def _fields(path: Path) -> list[Field]:
    return [step for step in path.steps if isinstance(step, Field)]


def _is_family(path: Path) -> bool:
    match _fields(path):
        case [*_, Field(type=Type(name="HumanName")), Field(key="family")]:
            return True
    return False


def _system(path: Path) -> str | None:
    """The one code system of the required binding of a `code`, or None."""
    binding = _fields(path)[-1].binding
    return definitions.system_of(binding) if binding else None


def single(type: str, leaves: Iterable[Leaf]) -> bool:
    """Whether a resource of the type has at most one of them: nothing repeats, and several are types of one choice."""
    ends = [_fields(leaf.path) for leaf in leaves]
    if any(step.many for steps in ends for step in steps):
        return False
    if len(ends) == 1:
        return True
    before, *others = [steps[:-1] for steps in ends]
    if any(steps != before for steps in others):
        return False
    keys = {steps[-1].key for steps in ends}
    choices = properties(before[-1].type if before else Type(type)).values()
    return any(keys <= {p.key for p in some if p.element.choice} for some in choices)


def named_by(leaves: Iterable[Leaf]) -> frozenset[str]:
    """The resource types that the canonical urls among the leaves may name; none for any."""
    found: set[str] = set()
    for leaf in leaves:
        fields = [step for step in leaf.path.steps if isinstance(step, Field)]
        found.update(fields[-1].targets or ("Resource",))
    return frozenset() if "Resource" in found else frozenset(found)


def targets_of(leaves: Iterable[Leaf]) -> tuple[str, ...]:
    """The resource types that the References among the leaves may point to; () for any."""
    found: set[str] = set()
    for leaf in leaves:
        if leaf.form == "reference":
            fields = [step for step in leaf.path.steps if isinstance(step, Field)]
            found.update((leaf.only,) if leaf.only else set(fields[-1].targets or ("Resource",)) - set(leaf.but))
    return () if "Resource" in found else tuple(sorted(found))
