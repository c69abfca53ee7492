"""What codes mean to each other: hierarchies of code systems, expansions of value sets. https://hl7.org/fhir/R4/terminology-module.html"""
