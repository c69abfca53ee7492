"""A slow, independent FHIR R4 search over raw resources: what any store must find. https://hl7.org/fhir/R4/search.html

It looks at every resource for every question, in memory, and imports nothing from hilum. What must be refused raises
`Refused`. The order of creation is the order of the list; "newest first" is its reverse.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from tests.oracle import contained, criteria, filters, includes, links, order, prose, terminology
from tests.oracle.criteria import Aim, Forbidden, Refused
from tests.oracle.definitions import Definitions, SearchParameter, r4
from tests.oracle.paths import Node, evaluate, root, types
from tests.oracle.records import BASE, Found, Holds, Item, Name, Pairs, Permit, Policy
from tests.oracle.values import (
    Date,
    Identifier,
    Number,
    Position,
    Reference,
    String,
    Token,
    Unnamed,
    Uri,
    extract,
    interval,
)

VALUES = (Token, String, Date, Number, Reference, Uri, Position, Identifier, Unnamed)
"""What counts as a value of a parameter: every Reference that is there, but no text beside a code."""

_RESULT = ("_sort", "_include", "_revinclude", "_type", "_count", "_total", "_summary", "_elements", *contained.NAMES)
_CODED = frozenset(("CodeableConcept", "Coding", "code"))
_TEXTED = frozenset(("CodeableConcept", "Coding", "Identifier"))


class Population:
    """Resources, and every question that can be asked of them."""

    def __init__(
        self,
        resources: Iterable[dict[str, Any]],
        *,
        base: str = BASE,
        now: int = 1_800_000_000_000_000,
        definitions: Definitions | None = None,
    ) -> None:
        self.definitions = definitions or r4()
        self.base = base
        self.now = now
        self.items = [Item(n, body["resourceType"], body["id"], body) for n, body in enumerate(resources)]
        self.by_name = {item.name: item for item in self.items}
        self.by_type: dict[str, list[Item]] = {}
        for item in self.items:
            self.by_type.setdefault(item.type, []).append(item)
        self._forms: dict[tuple[str, str], frozenset[str]] = {}
        self._aims: dict[tuple[str, str], Aim] = {}
        self.canonical = tuple(
            type
            for type in self.definitions.resource_types
            if all(self.definitions.parameter(type, code) for code in ("url", "version"))
        )
        self._by_url = self._named()
        self._policy: Policy | None = None
        self._seen: dict[tuple[Name, bool], bool] = {}
        self.terminology = terminology.Terminology(item.body for item in self.items)

    # --- what a search finds ----------------------------------------------------------------------------------------

    def search(
        self, type: str | None, pairs: Pairs, policy: Policy | None = None, compartment: Name | None = None
    ) -> Found:
        """Everything that matches. `policy` None: everything is visible. Raises Refused."""
        self._ask_as(policy)
        if contained.asked(pairs):
            return contained.search(self, type, pairs, policy, compartment)
        searched = self.types(type, pairs, compartment)
        primary = {one: self.asked_for(one, pairs) for one in searched}
        if not any(primary.values()):
            raise Forbidden("no type")
        tests = {one: self.all_of(one, pairs) for one in searched}
        sorts = [
            order.sort_key(self, searched, key) for name, value in pairs if name == "_sort" for key in value.split(",")
        ]
        brought = includes.read(self, searched, pairs)
        found = [
            item
            for one in searched
            for item in self.by_type.get(one, ())
            if (compartment is None or compartment in self.compartments(item))
            and tests[one](item)
            and self.within(item, primary[one])
        ]
        found = order.in_order(found, sorts)
        return Found(tuple(i.name for i in found), len(found), frozenset(includes.bring(self, found, brought)))

    def included(
        self, type: str | None, pairs: Pairs, page: Iterable[Name], policy: Policy | None, compartment: Name | None
    ) -> frozenset[Name]:
        """What `_include` and `_revinclude` bring along with one page of matches."""
        self._ask_as(policy)
        searched = self.types(type, pairs, compartment)
        if contained.asked(pairs):
            return contained.included(self, searched, pairs, page, compartment)
        brought = includes.read(self, searched, pairs)
        return frozenset(includes.bring(self, [self.by_name[name] for name in page], brought))

    def all_of(self, type: str, pairs: Pairs) -> Holds:
        """Whether all that a search says of a resource of the type holds. Raises Refused."""
        return self._all(type, [pair for pair in pairs if pair[0].partition(":")[0] not in _RESULT])

    def types(self, type: str | None, pairs: Pairs, compartment: Name | None) -> tuple[str, ...]:
        """The types that are searched. Raises Refused."""
        wanted = [value for name, value in pairs if name == "_type"]
        without = [value for name, value in pairs if name == "_type:not"]
        if type is not None:
            if wanted or without or type not in self.definitions.resource_types:
                raise Refused("_type")
            return (type,)
        if len(wanted) > 1 or len(without) > 1:
            raise Refused("_type twice")
        known = self.definitions.resource_types
        if not {one for value in wanted + without for one in value.split(",")} <= set(known):
            raise Refused("unknown type")
        found = known
        if wanted:
            found = tuple(dict.fromkeys(wanted[0].split(",")))
        elif compartment is not None:
            members = self.definitions.compartments[compartment[0]]
            found = tuple(t for t in known if t in members or t == compartment[0])
        found = tuple(t for t in found if not without or t not in without[0].split(","))
        if not found:
            raise Refused("no type left")
        return found

    # --- who may see what -------------------------------------------------------------------------------------------

    def _ask_as(self, policy: Policy | None) -> None:
        if policy is not self._policy:
            self._policy, self._seen = policy, {}

    def permits(self, type: str) -> tuple[Permit, ...]:
        """What may be looked for."""
        return (Permit(),) if self._policy is None else self._policy.get(type, ())

    def nameable(self, type: str) -> tuple[Permit, ...]:
        """What may be looked for, or be asked for by its name."""
        return self.permits(type) + (() if self._policy is None else self._policy.named.get(type, ()))

    def asked_for(self, type: str, pairs: Pairs) -> tuple[Permit, ...]:
        """Under which permits a search finds the type: those by name, too, if it names what it wants."""
        names = {"_id"}
        if self._policy is not None and type in self._policy.by_url:
            names |= {"url", "url:above"}
            if type == "CodeSystem":  # https://hl7.org/fhir/R4/codesystem.html#search: the same element
                names |= {"system", "system:above"}
        return self.nameable(type) if any(name in names for name, _ in pairs) else self.permits(type)

    def lists(self) -> tuple[Permit, ...]:
        """Which Lists may be asked for what they hold."""
        some = None if self._policy is None else self._policy.lists
        return self.permits("List") if some is None else some

    def sees(self, item: Item, *, named: bool = False) -> bool:
        """Whether it may be looked for; `named`: or be asked for by its name."""
        key = (item.name, named)
        if key not in self._seen:
            self._seen[key] = self.within(item, self.nameable(item.type) if named else self.permits(item.type))
        return self._seen[key]

    def within(self, item: Item, permits: Iterable[Permit]) -> bool:
        """Whether one of the permits holds of the resource."""
        return any(
            (permit.owners is None or not self.compartments(item).isdisjoint(permit.owners))
            and self._all(item.type, permit.constraints)(item)
            for permit in permits
        )

    def compartments(self, item: Item) -> frozenset[Name]:
        """The compartments that a resource is in. https://hl7.org/fhir/R4/compartmentdefinition.html"""
        if item.holder is not None:
            return self.compartments(item.holder)
        if item.compartments is None:
            found = set()
            for owner, members in self.definitions.compartments.items():
                if owner == item.type:
                    found.add(item.name)
                for code in members.get(item.type, ()):
                    if code != "{def}":
                        references = self.values(item, self.parameter(item.type, code))
                        found.update((r.type, r.id) for r in references if isinstance(r, Reference) and r.type == owner)
            item.compartments = frozenset(found)
        return item.compartments

    # --- parameters and their values --------------------------------------------------------------------------------

    def parameter(self, type: str, code: str) -> SearchParameter:
        """The parameter of a type. Raises Refused for what is unknown or has no expression."""
        found = self.definitions.parameter(type, code)
        if found is None or not found.expression:
            raise Refused(f"{type}.{code}")
        return found

    def values(self, item: Item, parameter: SearchParameter) -> tuple[Any, ...]:
        """All values of the parameter in a resource."""
        code = parameter.code
        if code not in item.values:
            top = root(self.definitions, item.body)
            item.values[code] = tuple(
                value
                for node in evaluate(self.definitions, parameter.expression, top, top)
                if not _nested(node) or node.type in parameter.targets
                for value in extract(self.definitions, parameter.type, node)
            )
        return item.values[code]

    def forms(self, type: str, parameter: SearchParameter) -> frozenset[str]:
        """FHIR types of the elements that the parameter can select from a resource of this type."""
        key = (type, parameter.code)
        if key not in self._forms:
            self._forms[key] = frozenset(n.type for n in types(self.definitions, parameter.expression, type))
        return self._forms[key]

    def mime(self, type: str, parameter: SearchParameter) -> bool:
        """Whether the parameter selects MIME types."""
        nodes = types(self.definitions, parameter.expression, type)
        sets = {n.value_set for n in nodes if n.type == "code" and n.value_set}
        return any(self.definitions.only_system(one) == criteria.MIME for one in sets)

    def aim(self, type: str, parameter: SearchParameter) -> Aim:
        """What a reference parameter can refer to."""
        key = (type, parameter.code)
        if key not in self._aims:
            if parameter.type != "reference":
                raise Refused("no reference")
            nodes = types(self.definitions, parameter.expression, type)
            addresses = any(n.type in ("Extension", "Reference", "Resource") for n in nodes)
            targets = {t for n in nodes for t in (n.targets if n.type == "Reference" else ())}
            if any(n.type == "Extension" for n in nodes) or "Resource" in targets:
                targets = set()
            if nested := any(n.type == "Resource" for n in nodes):  # what a Bundle begins with is searched as one
                targets = set(parameter.targets)
            mine = [e for e in parameter.expression.split("|") if f"{type}." in e]
            restricted = bool(mine) and all("resolve() is" in e for e in mine) and len(targets) == 1
            if not addresses:
                named = {t for n in nodes for t in (n.targets or ("Resource",))}
                targets = {t for t in self.canonical if named & {t, "Resource"}}
            known = tuple(sorted(targets))
            self._aims[key] = Aim(known, known if restricted or nested else (), addresses)
        return self._aims[key]

    def referenced(self, item: Item, parameter: SearchParameter) -> set[Name]:
        """What it refers to, by address or by url: `url|version` is that version, `url` every one that there is."""
        values = self.values(item, parameter)
        found = {(v.type, v.id) for v in values if isinstance(v, Reference)}
        if parameter.type == "reference" and not self.aim(item.type, parameter).addresses:
            for value in values:
                found |= self._by_url.get(value.text, set())
        return found

    def local(self, item: Item, parameter: SearchParameter) -> set[str]:
        """The local ids of what it refers to in its own container, or in itself: `#m1`."""
        values = self.values(item, parameter)
        found = {v.local for v in values if isinstance(v, Unnamed) and v.local}
        if parameter.type == "reference" and not self.aim(item.type, parameter).addresses:
            found |= {v.text[1:] for v in values if isinstance(v, Uri) and v.text[:1] == "#"}
        return found

    def _named(self) -> dict[str, set[Name]]:
        found: dict[str, set[Name]] = {}
        for type in self.canonical:
            for item in self.by_type.get(type, ()):
                if url := item.body.get("url"):
                    found.setdefault(url, set()).add(item.name)
                    if version := item.body.get("version"):
                        found.setdefault(f"{url}|{version}", set()).add(item.name)
        return found

    # --- one parameter of a search ----------------------------------------------------------------------------------

    def _all(self, type: str, pairs: Pairs) -> Holds:
        tests = [self.holds(type, name, value) for name, value in pairs]
        return lambda item: all(test(item) for test in tests)

    def holds(self, type: str, name: str, value: str, chosen: bool = False) -> Holds:
        """Whether a resource of `type` satisfies `name=value`. `chosen`: refused where none does. Raises Refused."""
        if name.startswith("_has:"):
            return links.has(self, type, name, value)
        if name == "_list":
            return links.of_list(self, value)
        if name in ("_text", "_content"):
            return prose.read(name, value)
        if name == "_filter":
            return filters.parse(value)(self, type)
        head, dot, rest = name.partition(".")
        if dot:
            chosen = ":" not in head and rest.partition(":")[0] == "_type"
            return links.chain(self, type, head, lambda target: self.holds(target, rest, value, chosen))
        code, colon, modifier = name.partition(":")
        if colon and not modifier:
            raise Refused("modifier")
        texts = criteria.split(value, ",")
        if "" in texts:
            raise Refused("empty alternative")
        if code == "_id" or code == "_lastUpdated":
            if modifier == "missing" and value in ("true", "false"):  # every resource has one
                return lambda item: value == "false"
            if colon and (code, modifier) != ("_id", "not"):
                raise Refused("modifier")
            own = self.own(code, [text.removeprefix(f"{type}/") for text in texts])
            return (lambda item: not own(item)) if colon else own
        if code == "_type":
            return self._of_type(type, modifier, colon, texts, chosen)
        parameter = self.parameter(type, code)
        if modifier == "missing":
            return self._missing(parameter, value)
        if code == "url" and not modifier and any("|" in text for text in texts):
            return self._urls(type, parameter, texts)
        if parameter.type == "composite":
            return self._composite(type, parameter, modifier, texts)
        return self._any(parameter, *self.tests(type, parameter, modifier, texts))

    def composite(self, type: str, parameter: SearchParameter, text: str) -> Holds:
        """One value of a composite."""
        return self._composite(type, parameter, "", [text])

    def _of_type(self, type: str, modifier: str, colon: str, texts: list[str], chosen: bool) -> Holds:
        """`subject._type=Patient`. "Technically, the `_type` parameter is a token parameter"."""
        if (colon and modifier != "not") or any(text not in self.definitions.resource_types for text in texts):
            raise Refused("_type")
        meant = (type in texts) is not bool(colon)
        if chosen and not meant:
            raise Refused("a chain to another type")
        return lambda item: meant

    def _any(self, parameter: SearchParameter, tests: list[criteria.Test], negated: bool) -> Holds:
        return lambda item: any(t(v) for v in self.values(item, parameter) for t in tests) is not negated

    def _urls(self, type: str, parameter: SearchParameter, texts: list[str]) -> Holds:
        """`url=http://a|1`: the url and the business version. https://hl7.org/fhir/R4/search.html#uri"""
        tests: list[Holds] = []
        for text in texts:
            parts = criteria.split(text, "|")
            if len(parts) == 2 and all(parts) and self.definitions.parameter(type, "version"):
                tests.append(self._all(type, (("url", parts[0]), ("version", parts[1]))))
            else:
                tests.append(self._any(parameter, [criteria.uri(text, "", False)], False))
        return lambda item: any(test(item) for test in tests)

    def own(self, code: str, texts: list[str]) -> Holds:
        if code == "_id":
            if any(not criteria.ID.fullmatch(text) for text in texts):
                raise Refused("id")
            return lambda item: item.id in texts
        tests = [criteria.date(text, self.now) for text in texts]
        return lambda item: any(test(*self.updated(item)) for test in tests)

    def updated(self, item: Item) -> tuple[Date]:
        """When the resource was last changed."""
        at = interval(item.body["meta"]["lastUpdated"]).low
        return (Date(at, at),)

    def _missing(self, parameter: SearchParameter, value: str) -> Holds:
        if value not in ("true", "false") or parameter.type == "composite":
            raise Refused("missing")
        return lambda item: self.present(item, parameter) is (value == "false")

    def present(self, item: Item, parameter: SearchParameter) -> bool:
        """Whether the resource has a value of the parameter."""
        return any(isinstance(value, VALUES) for value in self.values(item, parameter))

    def tests(
        self, type: str, parameter: SearchParameter, modifier: str, texts: list[str]
    ) -> tuple[list[criteria.Test], bool]:
        """One test per alternative, and whether none of them may hold."""
        match parameter.type, modifier:
            case "token", _:
                return self._token(type, parameter, modifier, texts), modifier in ("not", "not-in")
            case "string", "" | "exact" | "contains":
                return [criteria.string(text, modifier or "starts") for text in texts], False
            case "date", "":
                return [criteria.date(text, self.now) for text in texts], False
            case "number", "":
                return [criteria.number(text) for text in texts], False
            case "quantity", "":
                return [criteria.quantity(text) for text in texts], False
            case "uri", "" | "below" | "above":
                versioned = "canonical" in self.forms(type, parameter)
                return [criteria.uri(text, modifier, versioned) for text in texts], False
            case "special", "":
                return [criteria.near(text) for text in texts], False
            case "reference", _:
                return self._reference(type, parameter, modifier, texts), False
        raise Refused(f"modifier {modifier}")

    def _token(self, type: str, parameter: SearchParameter, modifier: str, texts: list[str]) -> list[criteria.Test]:
        forms = self.forms(type, parameter)
        if modifier in ("", "not"):
            return [criteria.token(text, forms) for text in texts]
        if modifier == "text" and forms & _TEXTED:
            return [criteria.token_text(text) for text in texts]
        if modifier == "of-type" and "Identifier" in forms:
            return [criteria.of_type(text) for text in texts]
        if modifier == "below" and self.mime(type, parameter):
            return [criteria.mime(text) for text in texts]
        if modifier in ("in", "not-in") and forms & _CODED:
            return [self._within(text) for text in texts]
        if modifier in ("below", "above") and forms & _CODED:
            return [self._hierarchy(text, modifier) for text in texts]
        raise Refused(f"modifier {modifier}")

    def _within(self, text: str) -> criteria.Test:
        plain = criteria.unescape(text).removeprefix(self.base + "/")
        codes = self.terminology.expansion(plain)
        return lambda value: isinstance(value, Token) and (value.system, value.code) in codes

    def _hierarchy(self, text: str, modifier: str) -> criteria.Test:
        parts = [criteria.unescape(part) for part in criteria.split(text, "|")]
        if len(parts) != 2 or not all(parts):
            raise Refused("system|code")
        system, code = parts
        codes = self.terminology.related(system, code, below=modifier == "below")
        return lambda value: isinstance(value, Token) and value.system == system and value.code in codes

    def _reference(self, type: str, parameter: SearchParameter, modifier: str, texts: list[str]) -> list[criteria.Test]:
        aim = self.aim(type, parameter)
        if modifier == "identifier" and aim.addresses:
            return [criteria.identifier(text) for text in texts]
        if modifier == "below" and not aim.addresses:
            return [criteria.canonical_below(text) for text in texts]
        if modifier in ("below", "above") and aim.addresses:
            return [links.place(self, text, aim, modifier) for text in texts]
        only = modifier or None
        if only and not (aim.addresses and self.may_be(aim, only)):
            raise Refused(f"modifier {modifier}")
        return [criteria.reference(self.definitions, text, aim, only, self.base) for text in texts]

    def may_be(self, aim: Aim, type: str) -> bool:
        return type in aim.targets or (not aim.targets and type in self.definitions.resource_types)

    # --- composites -------------------------------------------------------------------------------------------------

    def _composite(self, type: str, parameter: SearchParameter, modifier: str, texts: list[str]) -> Holds:
        if modifier:
            raise Refused("modifier of a composite")
        alternatives = []
        for text in texts:
            parts = criteria.split(text, "$")
            if len(parts) != len(parameter.components) or not all(parts):
                raise Refused("composite")
            tests = []
            for component, part in zip(parameter.components, parts, strict=True):
                ((test,), _) = self.tests(type, self.part(type, parameter, component), "", [part])
                tests.append(test)
            alternatives.append(tests)
        return lambda item: any(
            all(any(test(v) for v in found) for test, found in zip(tests, element, strict=True))
            for element in self.elements(item, parameter)
            for tests in alternatives
        )

    def part(self, type: str, parameter: SearchParameter, component: Any) -> SearchParameter:
        """A component as a parameter, for what its forms and targets are."""
        below = component.expression.replace("%resource.", "")
        heads = [h.strip() for h in parameter.expression.split("|") if h.strip().split(".")[0] == type]
        if "%resource." in component.expression:
            heads = [type]
        expression = " | ".join(f"{head}.{one.strip()}" for head in heads for one in below.split("|"))
        code = f"{parameter.code}${component.code}"
        return SearchParameter(code, parameter.base, component.type, expression, ())

    def elements(self, item: Item, parameter: SearchParameter) -> list[list[list[Any]]]:
        """Per element, per component, the values."""
        key = f"{parameter.code}$"
        if key not in item.values:
            d, top = self.definitions, root(self.definitions, item.body)
            item.values[key] = tuple(
                [
                    [v for n in evaluate(d, part.expression, element, top) for v in extract(d, part.type, n)]
                    for part in parameter.components
                ]
                for element in evaluate(d, parameter.expression, top, top)
            )
        return list(item.values[key])


def _nested(node: Node) -> bool:
    """Whether it is a resource within another one."""
    return isinstance(node.value, dict) and "resourceType" in node.value
