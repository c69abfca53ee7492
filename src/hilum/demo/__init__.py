"""The demo population: an invented town and the people who live in it, as FHIR R4 transaction Bundles.

    from hilum.demo import population
    for bundle in population(patients=120): ...

Nobody in it is real: each table says where facts (codes, growth curves, schedules) come from; names, places,
numbers and histories are made up by a seeded generator, so the same seed and day give the same bytes.
"""

from hilum.demo.population import TODAY, population

__all__ = ["TODAY", "population"]
