"""The patient's video: from FHIR data to something that a patient understands, each sentence with where it came from."""
