"""A checker of patients' scripts that knows nothing of hilum: it reads the text and the Bundle it was made from."""
