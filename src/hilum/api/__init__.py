"""What the JSON APIs below `/api/v1` share: one application, its documentation, who asks, and server-sent events.

The rooms that have routes bring their routers, and `hilum.app` puts them together. FastAPI is imported by what is in
here: half a second that no start waits for.
"""
