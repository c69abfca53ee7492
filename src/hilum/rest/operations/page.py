"""docs/reference/operations.md, made from the table of operations by scripts/generate_docs.py."""

from __future__ import annotations

from hilum.rest.operations.calling import routes
from hilum.rest.operations.operation import HL7, Operation, Parameter
from hilum.rest.operations.table import OPERATIONS


def page(made: str) -> str:
    """The page as Markdown; `made`: the line that says how it came about."""
    claimed = [one for one in OPERATIONS if not one.reserved]
    parts = [
        "# Operations\n",
        made,
        "Paths are below the FHIR base. By GET parameters stand in the URL; by POST in a Parameters resource, or in a "
        "form (`application/x-www-form-urlencoded`), those of simple types in the URL as well. An operation that takes "
        "one resource takes it as the body, too, without Parameters around it. A parameter that is not known is "
        "refused, or passed over under `Prefer: handling=lenient`; what is wrong with one is said with its place, "
        "`Parameters.parameter[2]`. Where `return` is the only parameter that comes out and is a resource, it is the "
        "body of the answer.\n",
        "`GET [base]/OperationDefinition/hilum-[name]` answers with the OperationDefinition of each; no resource can "
        "be stored under such an id. They are made when asked for, so that searches and histories do not have "
        "them. What an operation reads or writes is judged by the scopes of the token like the interactions that it "
        "stands for.\n",
        *(f"- [{one.name}](#{one.name.lower()}): {one.title}" for one in claimed),
        "",
    ]
    for one in claimed:
        parts += _operation(one)
    parts.append("## Reserved\n")
    parts += [f"- `${one.code}` answers 501: {one.reserved}" for one in OPERATIONS if one.reserved]
    return "\n".join(parts) + "\n"


def _operation(one: Operation) -> list[str]:
    places: dict[str, list[str]] = {}
    for route in routes((one,)):
        places.setdefault(route.pattern, []).append(route.method)
    defined = f"[{HL7}{one.name}]({HL7}{one.name})" if one.hl7 else f"`[base]/OperationDefinition/{one.own_id}`"
    found = [
        f"## {one.name}\n",
        f"{one.title}\n",
        *(f"    {_by(methods)} [base]/{place}" for place, methods in places.items()),
        "",
    ]
    found += [f"{one.text}\n", f"Defined at {defined}.\n"]
    if one.searches:
        found.append("It takes search parameters of the type besides.\n")
    if one.parameters:
        found += ["| parameter | in or out | how often | type | meaning |", "|---|---|---|---|---|"]
        for parameter in one.parameters:
            found += _rows(parameter)
        found.append("")
    return found


def _by(methods: list[str]) -> str:
    return " or ".join(sorted(methods))


def _rows(one: Parameter, before: str = "") -> list[str]:
    kind = one.type or "parts"
    said = one.text.replace("|", "\\|")
    found = [f"| `{before}{one.name}` | {one.use} | {one.min}..{one.max} | {kind} | {said} |"]
    for below in one.parts:
        found += _rows(below, f"{before}{one.name}.")
    return found
