"""Search without SQL: parameters, index rows, and a query as a value. https://hl7.org/fhir/R4/search.html"""
