"""FHIR R4 (4.0.1): resources, JSON, and the definitions compiled from the core package."""
