"""What codes mean, as far as the store and R4's own definitions say. https://hl7.org/fhir/R4/terminology-service.html"""
