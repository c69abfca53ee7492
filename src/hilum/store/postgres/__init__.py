"""The store on PostgreSQL (14 or newer). docs/adr/0003-postgres-layout.md explains the layout with worked rows."""

from hilum.store.postgres.backup import restore_postgres
from hilum.store.postgres.pack import Packed
from hilum.store.postgres.store import PostgresStore, open_postgres

__all__ = ["Packed", "PostgresStore", "open_postgres", "restore_postgres"]
