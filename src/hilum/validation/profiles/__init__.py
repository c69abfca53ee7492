"""Does this resource conform to that profile? https://hl7.org/fhir/R4/profiling.html"""
