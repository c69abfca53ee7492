"""HTTP <-> FHIR interactions. https://hl7.org/fhir/R4/http.html

A request goes: edge (body, token) -> router (path and method -> Route) -> one file per interaction -> Response.
"""
