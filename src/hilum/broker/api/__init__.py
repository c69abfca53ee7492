"""The broker's API for web clients, below `/api/v1`: orders to gather, and the registry of EHRs, as JSON.

FastAPI is imported by the modules of its routes: half a second that no start waits for.
"""
