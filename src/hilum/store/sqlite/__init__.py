"""The embedded store. docs/adr/0002-sqlite-layout.md explains the layout with worked rows."""

from hilum.store.sqlite.backup import restore as restore_sqlite
from hilum.store.sqlite.store import SqliteStore, open_sqlite

__all__ = ["SqliteStore", "open_sqlite", "restore_sqlite"]
