"""Where the records of the authorization server are kept, as who admits tokens knows it."""

from __future__ import annotations

from hilum.oauth.keeping import Ledger

__all__ = ["Ledger"]
