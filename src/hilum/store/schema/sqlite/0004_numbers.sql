-- A resource gets its number when it is created: docs/adr/0010-numbers-are-given-at-creation.md.

-- The number that a name had while it was only referred to: versions keep it that were committed with it
-- (log.compartments). at: when it was given up, microseconds.
CREATE TABLE former(was INTEGER PRIMARY KEY, rid INTEGER NOT NULL, at INTEGER NOT NULL);
CREATE UNIQUE INDEX former_rid ON former(rid);
-- number: what was n. A writer of before, that is still open, would write under numbers that it remembers and that were
-- given up: so it finds no n any more, and writes nothing.
ALTER TABLE clock RENAME COLUMN n TO number;
-- moved: how many were ever given up, so that a process sees that what it remembers may be none any more.
ALTER TABLE clock ADD COLUMN moved INTEGER NOT NULL DEFAULT 0;
