-- Code systems: docs/adr/0012-terminology-tables.md, hilum/terminology/concepts.py.

-- What is loaded, by a number that is never given twice. source, seq: of which version of what resource; `import`: none.
-- state: 0 is being loaded, 1 ready, 2 replaced or retired. changed: microseconds. about: the CodeSystem without concepts.
CREATE TABLE code_system(
    number INTEGER PRIMARY KEY AUTOINCREMENT, url TEXT NOT NULL, version TEXT NOT NULL, source TEXT NOT NULL,
    seq INTEGER NOT NULL, count INTEGER NOT NULL, state INTEGER NOT NULL, changed INTEGER NOT NULL, about BLOB NOT NULL);
CREATE INDEX code_system_url ON code_system(url, state);

-- A concept: place = system << 32 | n; n from 0 down the hierarchy. flags: 1 inactive, 2 abstract. last: the last n of
-- those nested in it. parents, over: 32-bit numbers; under: runs of such. detail: definition, designations, properties.
CREATE TABLE concept(
    place INTEGER PRIMARY KEY, code TEXT NOT NULL, display TEXT NOT NULL, flags INTEGER NOT NULL, last INTEGER NOT NULL,
    parents BLOB NOT NULL, over BLOB NOT NULL, under BLOB NOT NULL, detail BLOB NOT NULL);
CREATE UNIQUE INDEX concept_code ON concept(place >> 32, code);

-- Sets of concepts of a system, as hilum/terminology/bits.py writes them. kind: concepts.py.
CREATE TABLE posting(
    system INTEGER NOT NULL, kind INTEGER NOT NULL, key TEXT NOT NULL, value BLOB NOT NULL,
    PRIMARY KEY(system, kind, key)) WITHOUT ROWID;

-- The steps of named closure tables. https://hl7.org/fhir/R4/conceptmap-operation-closure.html
CREATE TABLE closure(name TEXT NOT NULL, n INTEGER NOT NULL, step TEXT NOT NULL, PRIMARY KEY(name, n)) WITHOUT ROWID;

-- Another number with each change of a CodeSystem (22), ConceptMap (27), NamingSystem (94) or ValueSet (144), in the
-- same transaction: what a process found out about codes holds as long as this is the same.
INSERT INTO meta VALUES ('terminology', '0');
CREATE TRIGGER terminology_new AFTER INSERT ON resource WHEN NEW.rid >> 40 IN (22, 27, 94, 144) AND NEW.version > 0
BEGIN UPDATE meta SET value = value + 1 WHERE key = 'terminology'; END;
CREATE TRIGGER terminology_changed AFTER UPDATE OF seq ON resource WHEN NEW.rid >> 40 IN (22, 27, 94, 144)
BEGIN UPDATE meta SET value = value + 1 WHERE key = 'terminology'; END;
