"""Agents, devices and whose their readings are, as an API for people and programs."""
