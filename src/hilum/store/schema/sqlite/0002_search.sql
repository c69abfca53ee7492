-- All of search. docs/adr/0004-search-engine.md explains it. Index rows are filled anew from the bodies (reindex.py).

DROP TABLE token;
DROP TABLE string;
DROP TABLE date;
DROP TABLE reference;
DROP TABLE compartment;

-- shape: which parameters have a value (table shape); 0 for a deletion and for what is only referred to. It stands
-- before the body, so that it is read without following the body's pages.
CREATE TABLE moved(
    rid INTEGER PRIMARY KEY, version INTEGER NOT NULL, seq INTEGER NOT NULL, method INTEGER NOT NULL,
    shape INTEGER NOT NULL, body BLOB NOT NULL);
INSERT INTO moved SELECT rid, version, seq, method, version > 0 AND method <> 3, body FROM resource;
DROP TABLE resource;
ALTER TABLE moved RENAME TO resource;
CREATE INDEX resource_shape ON resource(shape) WHERE shape > 0;
CREATE INDEX resource_seq ON resource(rid >> 40, seq) WHERE shape > 0;

-- The sets of parameters that have a value, each a sorted list of numbers (JSON). 1: not known yet. Never deleted.
CREATE TABLE shape(id INTEGER PRIMARY KEY, type INTEGER NOT NULL, params TEXT NOT NULL, UNIQUE(type, params));
INSERT INTO shape VALUES (1, 0, '[]');

-- Index tables, clustered by (parameter, value, resource). Values: see hilum/store/keyed.py. Where a value can't be
-- probed by its key (texts, intervals, amounts), an index by resource stands beside.
CREATE TABLE token(param INTEGER NOT NULL, value INTEGER NOT NULL, rid INTEGER NOT NULL,
    PRIMARY KEY(param, value, rid)) WITHOUT ROWID;
CREATE TABLE string(param INTEGER NOT NULL, folded TEXT NOT NULL, exact INTEGER NOT NULL, rid INTEGER NOT NULL,
    PRIMARY KEY(param, folded, exact, rid)) WITHOUT ROWID;
CREATE INDEX string_rid ON string(rid, param);
CREATE TABLE date(param INTEGER NOT NULL, span INTEGER NOT NULL, low INTEGER NOT NULL, high INTEGER NOT NULL,
    rid INTEGER NOT NULL, PRIMARY KEY(param, span, low, high, rid)) WITHOUT ROWID;
CREATE INDEX date_rid ON date(rid, param);
CREATE INDEX date_high ON date(param, high, rid);
CREATE TABLE quantity(param INTEGER NOT NULL, unit INTEGER NOT NULL, low REAL NOT NULL, high REAL NOT NULL,
    rid INTEGER NOT NULL, PRIMARY KEY(param, unit, low, high, rid)) WITHOUT ROWID;
CREATE INDEX quantity_rid ON quantity(rid, param);
CREATE TABLE reference(param INTEGER NOT NULL, target INTEGER NOT NULL, rid INTEGER NOT NULL,
    PRIMARY KEY(param, target, rid)) WITHOUT ROWID;
CREATE INDEX reference_rid ON reference(rid, param);
-- low and high have no type: keys and microseconds are integers, amounts are reals.
CREATE TABLE composite(param INTEGER NOT NULL, a INTEGER NOT NULL, unit INTEGER NOT NULL, low NOT NULL, high NOT NULL,
    rid INTEGER NOT NULL, PRIMARY KEY(param, a, unit, low, high, rid)) WITHOUT ROWID;
CREATE INDEX composite_rid ON composite(rid, param);
CREATE TABLE near(param INTEGER NOT NULL, cell INTEGER NOT NULL, lat REAL NOT NULL, lon REAL NOT NULL,
    rid INTEGER NOT NULL, PRIMARY KEY(param, cell, lat, lon, rid)) WITHOUT ROWID;
CREATE TABLE compartment(owner INTEGER NOT NULL, rid INTEGER NOT NULL, PRIMARY KEY(owner, rid)) WITHOUT ROWID;

-- Systems of codes and identifiers: the upper 20 bits of a token's key. A number belongs to one text, for ever.
CREATE TABLE system(number INTEGER PRIMARY KEY, text TEXT NOT NULL UNIQUE);
-- What the hashes in this store's keys are made with (hilum/store/keyed.py), so that nobody else can choose one.
INSERT OR IGNORE INTO meta VALUES ('secret', lower(hex(randomblob(32))));

-- Dictionaries. Rows are never deleted.
CREATE TABLE term(param INTEGER NOT NULL, value INTEGER NOT NULL, folded TEXT NOT NULL,
    PRIMARY KEY(param, value)) WITHOUT ROWID;
CREATE TABLE unit(param INTEGER NOT NULL, unit INTEGER NOT NULL, system TEXT, code TEXT, display TEXT,
    PRIMARY KEY(param, unit)) WITHOUT ROWID;

-- Words of the narrative, and of everything: folded already (prose.py), so that only spaces (Z*) part them.
-- https://www.sqlite.org/fts5.html#contentless_delete_tables
CREATE VIRTUAL TABLE fulltext USING fts5(narrative, content, content='', contentless_delete=1,
    tokenize="unicode61 remove_diacritics 0 categories 'C* L* M* N* P* S*'", detail=column);

-- Types whose resources are not all indexed yet; done: the last rid that is. Empty: all are. See reindex.py.
CREATE TABLE reindex(type INTEGER PRIMARY KEY, done INTEGER NOT NULL);
INSERT INTO reindex SELECT type, 0 FROM tally WHERE n > 0;

-- Custom search parameters, one row per SearchParameter that is active or whose rows are being removed: see
-- hilum/search/catalogue.py. meta.generation grows with each change of what is here but for `cursor` and `done`.
CREATE TABLE parameter(
    id TEXT PRIMARY KEY, definition TEXT NOT NULL, state TEXT NOT NULL, clear TEXT NOT NULL, types TEXT NOT NULL,
    cursor INTEGER NOT NULL, done INTEGER NOT NULL, total INTEGER NOT NULL, task TEXT NOT NULL) WITHOUT ROWID;
INSERT OR IGNORE INTO meta VALUES ('generation', '0');
