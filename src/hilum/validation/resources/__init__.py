"""Rules that the specification states in words, about data types and about kinds of resources; one file per kind.

Each is a function from a place in a resource (`Here`) to what is wrong with it, seen from there. They go beyond what
every write is held to: `$validate` and `hilum validate` ask for them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from hilum.validation.profiles.running import Finding, Found, under
from hilum.validation.profiles.walking import Here
from hilum.validation.resources import (
    attachments,
    bundles,
    capability_statements,
    code_systems,
    concept_maps,
    hyperlinks,
    identities,
    measures,
    obligations,
    publishing,
    references,
    search_parameters,
    structure_definitions,
    texts,
    uris,
    value_sets,
)

Rule = Callable[[Here], Found]

RULES: Final[dict[str, tuple[Rule, ...]]] = {
    "Attachment": (attachments.attachment,),
    "Bundle": (bundles.links, bundles.entries, bundles.search_results, bundles.document, bundles.message),
    "CapabilityStatement": (capability_statements.search_parameters,),
    "CodeSystem": (
        code_systems.counts,
        code_systems.properties,
        code_systems.concepts,
        code_systems.supplements,
        code_systems.value_set,
    ),
    "Coding": (uris.coding,),
    "ConceptMap": (concept_maps.codes,),
    "Identifier": (uris.identifier,),
    "Measure": (measures.libraries,),
    "Reference": (references.resolve,),
    "SearchParameter": (
        search_parameters.derived,
        search_parameters.composite,
        search_parameters.expression,
    ),
    "StructureDefinition": (
        structure_definitions.type_,
        structure_definitions.base,
        structure_definitions.contexts,
        structure_definitions.elements,
        obligations.inherited,
    ),
    "ValueSet": (value_sets.includes,),
    "canonical": (uris.canonical, uris.uri),
    "markdown": (texts.markdown, texts.plain),
    "oid": (uris.uri,),
    "string": (texts.plain,),
    "uri": (uris.uri, uris.defining),
    "url": (uris.uri,),
    "uuid": (uris.uri,),
    "xhtml": (hyperlinks.resolve,),
}
"""Type -> its rules."""


def at(here: Here) -> list[Finding]:
    """The findings of all rules about one place, seen from the root of the walk."""
    found: list[Finding] = []
    if not here.item.kind.path:
        for rule in RULES.get(here.item.kind.name, ()):
            wrong = rule(here)
            if wrong:
                found += wrong
        if here.of is None or here.of.element in ("resource", "contained"):
            for rule in (identities.ids, publishing.committee, publishing.experimental):
                wrong = rule(here)
                if wrong:
                    found += wrong
    return under(here.path, found) if found else found
