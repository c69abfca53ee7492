"""Launches from here: apps opened by staff on a record, by patients on their own, and by tasks."""
