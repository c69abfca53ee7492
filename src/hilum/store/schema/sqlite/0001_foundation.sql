-- The first layout of a SQLite store. docs/adr/0002-sqlite-layout.md explains it with worked rows.

CREATE TABLE meta(key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;

-- One row: the newest seq, and the last n given to a resource. Both only grow; both change inside the write transaction.
CREATE TABLE clock(one INTEGER PRIMARY KEY CHECK (one = 1), seq INTEGER NOT NULL, n INTEGER NOT NULL);
INSERT INTO clock VALUES (1, 0, 0);

-- (type, id) -> rid = type << 40 | n, for every resource and every resource that is only referred to.
-- A UUID is kept as its 16 bytes, any other id as text.
CREATE TABLE identity(type INTEGER NOT NULL, id NOT NULL, rid INTEGER NOT NULL, PRIMARY KEY(type, id)) WITHOUT ROWID;

-- The current version. version 0: only referred to so far. method: 0 none, 1 POST, 2 PUT, 3 DELETE, 4 PATCH.
-- A body always begins {"resourceType":…,"id":…}; of a deletion and of version 0 it is only that.
CREATE TABLE resource(
    rid INTEGER PRIMARY KEY, version INTEGER NOT NULL, seq INTEGER NOT NULL, method INTEGER NOT NULL, body BLOB NOT NULL);

-- Every version there ever was, in commit order, with the compartments (rids, JSON) and labels it was committed with.
CREATE TABLE log(
    seq INTEGER PRIMARY KEY, rid INTEGER NOT NULL, version INTEGER NOT NULL, method INTEGER NOT NULL,
    compartments TEXT, labels TEXT);
CREATE INDEX log_type ON log(rid >> 40);
CREATE INDEX log_rid ON log(rid);

-- Bodies of versions that are no longer current.
CREATE TABLE old(seq INTEGER PRIMARY KEY, body BLOB NOT NULL);

-- Index tables, clustered by (parameter, value, resource). Values: see hilum/store/keys.py.
CREATE TABLE token(param INTEGER NOT NULL, value INTEGER NOT NULL, rid INTEGER NOT NULL,
    PRIMARY KEY(param, value, rid)) WITHOUT ROWID;
CREATE TABLE string(param INTEGER NOT NULL, folded TEXT NOT NULL, exact INTEGER NOT NULL, rid INTEGER NOT NULL,
    PRIMARY KEY(param, folded, exact, rid)) WITHOUT ROWID;
CREATE TABLE date(param INTEGER NOT NULL, span INTEGER NOT NULL, low INTEGER NOT NULL, high INTEGER NOT NULL,
    rid INTEGER NOT NULL, PRIMARY KEY(param, span, low, high, rid)) WITHOUT ROWID;
CREATE INDEX date_rid ON date(rid, param);
CREATE TABLE reference(param INTEGER NOT NULL, target INTEGER NOT NULL, rid INTEGER NOT NULL,
    PRIMARY KEY(param, target, rid)) WITHOUT ROWID;
CREATE TABLE compartment(owner INTEGER NOT NULL, rid INTEGER NOT NULL, PRIMARY KEY(owner, rid)) WITHOUT ROWID;

-- Current, undeleted resources per type.
CREATE TABLE tally(type INTEGER PRIMARY KEY, n INTEGER NOT NULL);

-- Who wrote: one row per commit, covering seq … seq + writes - 1; chain = SHA-256(chain before, row), per process.
CREATE TABLE audit(
    id INTEGER PRIMARY KEY, process BLOB NOT NULL, seq INTEGER NOT NULL, writes INTEGER NOT NULL, agent TEXT NOT NULL,
    client TEXT NOT NULL, interaction TEXT NOT NULL, token TEXT NOT NULL, chain BLOB NOT NULL);
