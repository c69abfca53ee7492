"""FHIR GraphQL: types from the definitions, a document to a plan, a plan to data. https://hl7.org/fhir/R4/graphql.html"""
