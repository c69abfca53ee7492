"""The broker's API for web clients, below `/api/v1`: orders to gather, and the registry of EHRs, as JSON.

FastAPI is imported by `hilum.broker.api.application`, and what that imports: half a second that no start waits for.
"""
