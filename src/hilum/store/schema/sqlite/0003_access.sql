-- The authorization server and the audit trail.

-- Records under a key, each with an end: hilum/oauth/ledger.py has the kinds. key, owner, peer: 16 bytes of a uuid, 32 of
-- a digest, or a name. state: 0 fresh, 1 used, 2 revoked. version grows with each change. changed, expires:
-- microseconds; 1 << 62: never. value: JSON; what is secret in it is sealed.
CREATE TABLE ledger(
    kind INTEGER NOT NULL, key BLOB NOT NULL, state INTEGER NOT NULL, owner BLOB NOT NULL DEFAULT x'',
    peer BLOB NOT NULL DEFAULT x'', version INTEGER NOT NULL, changed INTEGER NOT NULL, expires INTEGER NOT NULL,
    value BLOB NOT NULL, PRIMARY KEY(kind, key)) WITHOUT ROWID;
CREATE INDEX ledger_owner ON ledger(kind, owner, key) WHERE owner <> x'';
CREATE INDEX ledger_peer ON ledger(kind, peer, key) WHERE peer <> x'';
CREATE INDEX ledger_expires ON ledger(expires) WHERE expires < 4611686018427387904;
CREATE INDEX ledger_changed ON ledger(kind, changed);

-- What is void: tokens of `key` issued up to the second `before`. kind: 1 token, 2 grant, 3 client, 4 user, 5 session,
-- 6 to 8 changed only. n is in the order of commits and never given twice, so that whoever follows misses nothing.
CREATE TABLE revocation(
    n INTEGER PRIMARY KEY AUTOINCREMENT, kind INTEGER NOT NULL, key BLOB NOT NULL, before INTEGER NOT NULL,
    expires INTEGER NOT NULL);
CREATE INDEX revocation_expires ON revocation(expires);

-- What else is known of who wrote: a JSON object; '' in rows of before. The chain of later rows: hilum/store/chain.py.
ALTER TABLE audit ADD COLUMN detail TEXT NOT NULL DEFAULT '';
CREATE INDEX audit_seq ON audit(seq);

-- Frames of the trail of what was read: hilum/store/segments.py. low, high: microseconds.
CREATE TABLE audit_segment(
    id INTEGER PRIMARY KEY, process BLOB NOT NULL, first INTEGER NOT NULL, rows INTEGER NOT NULL, low INTEGER NOT NULL,
    high INTEGER NOT NULL, before BLOB NOT NULL, after BLOB NOT NULL, body BLOB NOT NULL, UNIQUE(process, first));
CREATE INDEX audit_segment_time ON audit_segment(high, id, low);
-- Which segment speaks of whom. what: 1 patient, 2 agent, 3 client, 4 resource. high: that of the segment.
CREATE TABLE audit_about(
    what INTEGER NOT NULL, key INTEGER NOT NULL, high INTEGER NOT NULL, segment INTEGER NOT NULL,
    PRIMARY KEY(what, key, high, segment)) WITHOUT ROWID;
CREATE INDEX audit_about_segment ON audit_about(segment);
-- Seals of both chains, each linked to the one before it and signed. kind: 1 segments, 2 writes, 3 what was pruned.
CREATE TABLE audit_anchor(
    n INTEGER PRIMARY KEY, at INTEGER NOT NULL, kind INTEGER NOT NULL, body BLOB NOT NULL, previous BLOB NOT NULL,
    digest BLOB NOT NULL, signature BLOB NOT NULL, kid TEXT NOT NULL);
