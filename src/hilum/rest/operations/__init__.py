"""FHIR operations, each declared once. https://hl7.org/fhir/R4/operations.html

To add one: write a file here with its handler, `async def name(service, request, inputs) -> Returned | Response`, and
its row, `Operation(...)`, and name the row in `table.py`. Routes, inputs (read, counted and typed by the declaration),
the CapabilityStatement, the OperationDefinition and docs/reference/operations.md (`make docs`) follow from the row.
Two tests call every route: tests/unit/rest/test_routes_enforced.py as people who may see nothing, and
tests/journeys/test_http_routes.py; tests/oracle/leaks is where to prove that it shows no more than a search.

The handler judges the token itself, by the same permits as the interactions which it stands for. What it raises is
answered as the OperationOutcome of any other request; `inputs.place("name")` is the element to name in it.
"""
