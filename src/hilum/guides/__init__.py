"""Implementation guides as packages: read, named, and told as documents. https://hl7.org/fhir/R4/implementationguide.html"""
