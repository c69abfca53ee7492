"""The API of videos for web clients, below `/api/v1`. FastAPI is imported by `hilum.video.api.routes`."""
