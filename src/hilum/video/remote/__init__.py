"""Videos of scripts, made by a service elsewhere that fills the placeholders of storyboards. `Remote` is the renderer.

renderers.toml (services) and the shape of the service's API (shapes) -> an order (renderer: asking) -> looked at until
it is over, sooner where the service calls back (callbacks) -> fetched (results: fetching) and looked into (media).
"""

from hilum.video.remote.renderer import Remote
from hilum.video.remote.services import FILE, services

__all__ = ["FILE", "Remote", "services"]
