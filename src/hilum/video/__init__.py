"""The patient's video: from FHIR data to something that a patient understands, with the source of each sentence."""
