"""`Observation/$lastn`. https://hl7.org/fhir/R4/observation-operation-lastn.html"""

from __future__ import annotations

from typing import Final

from hilum.interactions import lastn as newest
from hilum.interactions import search as searching
from hilum.problems import Malformed
from hilum.rest import bundle, subset
from hilum.rest.message import FHIR_JSON, NO_STORE, Request, Response, seqs
from hilum.rest.operations.inputs import Inputs
from hilum.rest.operations.operation import Operation, Parameter
from hilum.rest.paging import links
from hilum.rest.prefer import prefer
from hilum.rest.router import Service
from hilum.rest.search import ignored, today
from hilum.search.again import read_again
from hilum.search.parameters import Registry
from hilum.search.parse import Parsed

_SUBJECTS: Final = ("patient", "subject")
_RESULTS: Final = frozenset(
    ("_sort", "_count", "_include", "_revinclude", "_total", "_contained", "_containedType", "_cursor")
)
"""They shape what a search returns, and have no meaning here."""


async def lastn(service: Service, request: Request, inputs: Inputs) -> Response:
    """The newest observations of each code, of those that match and that the token may search."""
    pairs = list(inputs.beside)
    names = {name.partition(":")[0] for name, _ in pairs}
    if unknown := sorted(names & _RESULTS):
        raise Malformed(f"{unknown[0]} shapes the results of a search, and is not for $lastn, which has no pages.")
    if not any(name.partition(".")[0] in _SUBJECTS for name in names):
        raise Malformed("Whose observations? Give patient or subject, such as patient=17.")
    lenient = prefer(request).lenient

    def read(registry: Registry) -> Parsed:
        return read_again(
            "Observation",
            pairs,
            lenient=lenient,
            base=service.door.base,
            compartment=None,
            now=today(),
            max_count=service.page,
            registry=registry,
            full_text=service.door.store.full_text,
        )

    if request.shown.elements:
        subset.check_elements("Observation", request.shown.elements)
    parsed = await searching.understood(service.door, pairs, read)
    found = await newest.lastn(service.door, request.who, parsed, inputs.number("max") or 1)
    contents = await subset.show_all(found, request.shown)
    entries = bundle.matches(service.base, found, contents)
    if parsed.ignored:
        entries.append(ignored(parsed.ignored))
    asked = [*(("max", text) for name, text in inputs.asked if name == "max"), *parsed.applied]
    found_at = links(service, request, asked, None, None)
    body = bundle.bundle("searchset", entries, found_at, len(found))
    return Response(200, [FHIR_JSON, NO_STORE], body, shown=seqs(found))


OBSERVATION: Final = Operation(
    code="lastn",
    name="Observation-lastn",
    title="The newest observations of each code.",
    text="Of what the search parameters of Observation find, `patient` or `subject` among them, and what the token may "
    "search. Codes are one where system and code are the same, and where an observation has both; observations "
    "without a code are one where their text is the same. Newest is by effective[x], the end of a period, as "
    "`_sort=-date` has it; those that are as new as the last one are returned, too. Sorted by code, newest first; "
    "there are no pages. More than 200,000 matches, or 5,000 in the answer, are refused as too costly.",
    levels=("type",),
    types=("Observation",),
    parameters=(
        Parameter("max", "positiveInt", "How many of each code; 1 if it is not given."),
        Parameter("return", "Bundle", "A searchset.", 1, use="out"),
    ),
    hl7=True,
    searches=True,
    needs="s",
    run=lastn,
)
