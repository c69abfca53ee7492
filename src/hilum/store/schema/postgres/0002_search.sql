-- All of search. docs/adr/0004-search-engine.md explains it. Index rows are filled anew from the bodies (reindex.py).

DROP FUNCTION apply;
DROP TABLE token;
DROP TABLE string;
DROP TABLE date;
DROP TABLE reference;

-- shape: which parameters have a value (table shape); 0 for a deletion and for what is only referred to; 1: not known
-- yet. It stands before the body and in the indexes, so that whether a row is current is read without following it.
CREATE TABLE moved (
    rid bigint NOT NULL,
    seq bigint NOT NULL,
    xid xid8 NOT NULL,
    version integer NOT NULL,
    shape integer NOT NULL DEFAULT 0,
    type smallint NOT NULL,
    method smallint NOT NULL,
    id text COLLATE "C" NOT NULL,
    compartments bigint[],
    labels bigint[],
    body bytea
);
INSERT INTO moved SELECT rid, seq, xid, version, (version > 0 AND method <> 3)::integer, type, method, id, compartments,
    labels, body FROM resource ORDER BY rid;
DROP TABLE resource;
ALTER TABLE moved RENAME TO resource;
ALTER TABLE resource ADD CONSTRAINT resource_pkey PRIMARY KEY (rid) INCLUDE (seq, shape);
CREATE UNIQUE INDEX resource_name ON resource (type, id);
CREATE INDEX resource_seq ON resource (seq) WHERE version > 0;
CREATE INDEX resource_type_seq ON resource (type, seq) INCLUDE (rid, shape) WHERE version > 0;
CREATE INDEX resource_shape ON resource (shape, rid) WHERE version > 0 AND shape > 0;

-- The sets of parameters that have a value. Never deleted. Numbered under a lock that is held until the commit, so
-- that a lower number is never seen later than a higher one.
CREATE TABLE shape (id integer PRIMARY KEY, type smallint NOT NULL, params integer[] NOT NULL, UNIQUE (type, params));
INSERT INTO shape VALUES (1, 0, '{}');

-- How many current resources there are. Each session counts in a row of its own (`stripe`), so that none waits for
-- another's commit; the sum counts.
CREATE TABLE tally (type smallint NOT NULL, stripe integer NOT NULL, n bigint NOT NULL, PRIMARY KEY (type, stripe))
    WITH (fillfactor = 50);
INSERT INTO tally SELECT type, 0, count(*) FROM resource WHERE shape > 0 GROUP BY type;

-- Index rows of current versions. Values: see hilum/store/keyed.py. Texts beside codes and uris are tokens, too.
-- `WHERE param >= 0` holds of every row; but PostgreSQL uses such an index only for a statement that says so, too
-- (dialect.py, table()). Otherwise it would, without a look at the values, walk all dates by their ends, or all rids.
CREATE TABLE token (value bigint NOT NULL, rid bigint NOT NULL, param integer NOT NULL);
CREATE INDEX token_key ON token (param, value, rid);

-- folded: the first 200 characters, so that no value is too long for an index; whole: all of it where it is longer.
-- exact: the hash of the text as it is written.
CREATE TABLE string (
    exact bigint NOT NULL,
    rid bigint NOT NULL,
    param integer NOT NULL,
    folded text COLLATE "C" NOT NULL,
    whole text COLLATE "C"
);
CREATE INDEX string_key ON string (param, folded, rid) INCLUDE (exact);
CREATE INDEX string_rid ON string (rid, param) WHERE param >= 0;
CREATE INDEX string_whole ON string (param) WHERE whole IS NOT NULL;

-- span: the class of the interval's length (keys.span), so that a range of `low` finds what ends after a moment.
CREATE TABLE date (
    rid bigint NOT NULL, low bigint NOT NULL, high bigint NOT NULL, param integer NOT NULL, span smallint NOT NULL);
CREATE INDEX date_key ON date (param, span, low, high, rid);
CREATE INDEX date_rid ON date (rid, param) WHERE param >= 0;
CREATE INDEX date_high ON date (param, high, rid) WHERE param >= 0;

CREATE TABLE quantity (rid bigint NOT NULL, unit bigint NOT NULL, low double precision NOT NULL,
    high double precision NOT NULL, param integer NOT NULL);
CREATE INDEX quantity_key ON quantity (param, unit, low, high, rid);
CREATE INDEX quantity_rid ON quantity (rid, param) WHERE param >= 0;

-- The target leads, so that "who refers to this?", by whatever parameter, is one walk.
CREATE TABLE reference (target bigint NOT NULL, rid bigint NOT NULL, param integer NOT NULL);
CREATE INDEX reference_key ON reference (target, param, rid);
CREATE INDEX reference_rid ON reference (rid, param, target) WHERE param >= 0;

-- low and high: keys, microseconds, or amounts as integers in the same order (dialect.py).
CREATE TABLE composite (rid bigint NOT NULL, a bigint NOT NULL, unit bigint NOT NULL, low bigint NOT NULL,
    high bigint NOT NULL, param integer NOT NULL);
CREATE INDEX composite_key ON composite (param, a, unit, low, high, rid);
CREATE INDEX composite_rid ON composite (rid, param) WHERE param >= 0;

CREATE TABLE near (rid bigint NOT NULL, cell bigint NOT NULL, lat double precision NOT NULL,
    lon double precision NOT NULL, param integer NOT NULL);
CREATE INDEX near_key ON near (param, cell);

CREATE TABLE compartment (owner bigint NOT NULL, rid bigint NOT NULL);
CREATE INDEX compartment_key ON compartment (owner, rid);

-- Systems of codes and identifiers: the upper 20 bits of a token's key. A number belongs to one text (its UTF-8), for
-- ever. A text may be too long for an index.
CREATE TABLE system (number integer PRIMARY KEY, text bytea NOT NULL);
CREATE UNIQUE INDEX system_text ON system (sha256(text));
-- What the hashes in this store's keys are made with (hilum/store/keyed.py), so that nobody else can choose one.
INSERT INTO meta VALUES ('secret', encode(sha256((gen_random_uuid()::text || gen_random_uuid()::text)::bytea), 'hex'))
    ON CONFLICT DO NOTHING;

-- Dictionaries. Rows are never deleted.
CREATE TABLE term (value bigint NOT NULL, param integer NOT NULL, folded text COLLATE "C" NOT NULL,
    PRIMARY KEY (param, value));
CREATE TABLE unit (unit bigint NOT NULL, param integer NOT NULL, system text, code text, display text,
    PRIMARY KEY (param, unit));

-- Words of the narrative, and of everything. The index by rid is a hash index, because that can't be walked: nothing
-- but the words' own indexes is left to a search.
CREATE TABLE fulltext (rid bigint NOT NULL, narrative tsvector NOT NULL, content tsvector NOT NULL);
CREATE INDEX fulltext_rid ON fulltext USING hash (rid);
CREATE INDEX fulltext_narrative ON fulltext USING gin (narrative);
CREATE INDEX fulltext_content ON fulltext USING gin (content);

-- Types whose resources are not all indexed yet; done: the last rid that is. Empty: all are. See reindex.py.
CREATE TABLE reindex (type smallint PRIMARY KEY, done bigint NOT NULL);
INSERT INTO reindex SELECT type, 0 FROM tally WHERE n > 0;

-- Index-only scans need pages that vacuum has seen; rows that are only added would wait for a fifth of the table.
ALTER TABLE resource SET (autovacuum_vacuum_insert_scale_factor = 0.02);
ALTER TABLE token SET (autovacuum_vacuum_insert_scale_factor = 0.02);
ALTER TABLE string SET (autovacuum_vacuum_insert_scale_factor = 0.02);
ALTER TABLE date SET (autovacuum_vacuum_insert_scale_factor = 0.02);
ALTER TABLE quantity SET (autovacuum_vacuum_insert_scale_factor = 0.02);
ALTER TABLE reference SET (autovacuum_vacuum_insert_scale_factor = 0.02);
ALTER TABLE composite SET (autovacuum_vacuum_insert_scale_factor = 0.02);
ALTER TABLE compartment SET (autovacuum_vacuum_insert_scale_factor = 0.02);

-- Learn shapes, texts beside codes and units, in a transaction of their own; the numbers of the shapes, in order.
-- Texts and units are sorted, so that two that learn the same wait for each other in one order.
CREATE FUNCTION learn(
    guard integer, s_type smallint[], s_params text[],
    t_key text, t_folded text[], u_key text, u_system text[], u_code text[], u_display text[]
) RETURNS integer[] LANGUAGE plpgsql AS $$
DECLARE
    t bigint[] := t_key::bigint[];
    u bigint[] := u_key::bigint[];
    found integer[];
BEGIN
    IF t_folded <> '{}' THEN
        INSERT INTO term (param, value, folded)
        SELECT t[2 * i - 1], t[2 * i], t_folded[i] FROM generate_series(1, cardinality(t_folded)) AS i ORDER BY 1, 2
        ON CONFLICT DO NOTHING;
    END IF;
    IF u_code <> '{}' THEN
        INSERT INTO unit (param, unit, system, code, display)
        SELECT u[2 * i - 1], u[2 * i], u_system[i], u_code[i], u_display[i]
        FROM generate_series(1, cardinality(u_code)) AS i ORDER BY 1, 2
        ON CONFLICT DO NOTHING;
    END IF;
    IF s_type = '{}' THEN
        RETURN '{}';
    END IF;
    PERFORM pg_advisory_xact_lock(1751741806, guard);
    INSERT INTO shape (id, type, params)
    SELECT (SELECT max(k.id) FROM shape k) + row_number() OVER (), n.type, n.params
    FROM (SELECT DISTINCT s_type[i] AS type, s_params[i]::integer[] AS params
          FROM generate_series(1, cardinality(s_type)) AS i) n
    WHERE NOT EXISTS (SELECT FROM shape k WHERE k.type = n.type AND k.params = n.params);
    SELECT array_agg((SELECT k.id FROM shape k WHERE k.type = s_type[i] AND k.params = s_params[i]::integer[]) ORDER BY i)
    INTO found FROM generate_series(1, cardinality(s_type)) AS i;
    RETURN found;
END $$;

-- The numbers of systems; what has none yet is given one, in a transaction of its own: the first of its `choices` (so
-- many of each system, one after the other) that is free, else any up to `most`. One at a time. NULL: there is none left.
CREATE FUNCTION learn_systems(guard integer, texts bytea[], choices integer[], most integer) RETURNS integer[]
LANGUAGE plpgsql AS $$
DECLARE
    numbers integer[] := '{}';
    many integer := cardinality(choices) / cardinality(texts);
    n integer;
BEGIN
    PERFORM pg_advisory_xact_lock(1751741810, guard);
    FOR i IN 1 .. cardinality(texts) LOOP
        SELECT k.number INTO n FROM system k WHERE sha256(k.text) = sha256(texts[i]) AND k.text = texts[i];
        IF NOT FOUND THEN
            SELECT c.number INTO n FROM generate_series(1, many) AS j
            CROSS JOIN LATERAL (SELECT choices[(i - 1) * many + j] AS number) c
            WHERE NOT EXISTS (SELECT FROM system k WHERE k.number = c.number) ORDER BY j LIMIT 1;
            IF NOT FOUND AND most > 0 THEN
                SELECT f.number INTO n FROM (
                    SELECT 1 AS number UNION ALL (SELECT s.number + 1 FROM system s)) f
                WHERE f.number <= most AND NOT EXISTS (SELECT FROM system k WHERE k.number = f.number) LIMIT 1;
            END IF;
            IF n IS NOT NULL THEN
                INSERT INTO system VALUES (n, texts[i]);
            END IF;
        END IF;
        numbers := array_append(numbers, n);
    END LOOP;
    RETURN numbers;
END $$;

-- Index rows of some resources, to be added or taken away. `rows` has one array of numbers for each table, in the order
-- token, string, date, quantity, reference, composite, near, compartment; '' where there is none. Each array has the
-- columns of a row one after the other; the last one is rid. `folded` and `whole` are the texts of `string`.
CREATE FUNCTION add_rows(rows text[], folded text[], whole text[]) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    n bigint[];
    f double precision[];
BEGIN
    IF rows[1] <> '' THEN
        n := rows[1];
        INSERT INTO token (param, value, rid) SELECT n[i], n[i + 1], n[i + 2] FROM generate_series(1, cardinality(n), 3) AS i;
    END IF;
    IF rows[2] <> '' THEN
        n := rows[2];
        INSERT INTO string (param, exact, rid, folded, whole)
        SELECT n[3 * i - 2], n[3 * i - 1], n[3 * i], folded[i], whole[i] FROM generate_series(1, cardinality(folded)) AS i;
    END IF;
    IF rows[3] <> '' THEN
        n := rows[3];
        INSERT INTO date (param, span, low, high, rid)
        SELECT n[i], n[i + 1], n[i + 2], n[i + 3], n[i + 4] FROM generate_series(1, cardinality(n), 5) AS i;
    END IF;
    IF rows[4] <> '' THEN
        f := rows[4];
        INSERT INTO quantity (param, unit, low, high, rid)
        SELECT f[i], f[i + 1], f[i + 2], f[i + 3], f[i + 4] FROM generate_series(1, cardinality(f), 5) AS i;
    END IF;
    IF rows[5] <> '' THEN
        n := rows[5];
        INSERT INTO reference (param, target, rid)
        SELECT n[i], n[i + 1], n[i + 2] FROM generate_series(1, cardinality(n), 3) AS i;
    END IF;
    IF rows[6] <> '' THEN
        n := rows[6];
        INSERT INTO composite (param, a, unit, low, high, rid)
        SELECT n[i], n[i + 1], n[i + 2], n[i + 3], n[i + 4], n[i + 5] FROM generate_series(1, cardinality(n), 6) AS i;
    END IF;
    IF rows[7] <> '' THEN
        f := rows[7];
        INSERT INTO near (param, cell, lat, lon, rid)
        SELECT f[i], f[i + 1], f[i + 2], f[i + 3], f[i + 4] FROM generate_series(1, cardinality(f), 5) AS i;
    END IF;
    IF rows[8] <> '' THEN
        n := rows[8];
        INSERT INTO compartment (owner, rid) SELECT n[i], n[i + 1] FROM generate_series(1, cardinality(n), 2) AS i;
    END IF;
END $$;

CREATE FUNCTION take_rows(rows text[], folded text[]) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    n bigint[];
    f double precision[];
BEGIN
    IF rows[1] <> '' THEN
        n := rows[1];
        DELETE FROM token k USING generate_series(1, cardinality(n), 3) AS i
        WHERE k.param = n[i] AND k.value = n[i + 1] AND k.rid = n[i + 2];
    END IF;
    IF rows[2] <> '' THEN
        n := rows[2];
        DELETE FROM string k USING generate_series(1, cardinality(take_rows.folded)) AS i
        WHERE k.param = n[3 * i - 2] AND k.exact = n[3 * i - 1] AND k.rid = n[3 * i] AND k.folded = take_rows.folded[i]
        AND k.param >= 0;
    END IF;
    IF rows[3] <> '' THEN
        n := rows[3];
        DELETE FROM date k USING generate_series(1, cardinality(n), 5) AS i
        WHERE k.param = n[i] AND k.span = n[i + 1] AND k.low = n[i + 2] AND k.high = n[i + 3] AND k.rid = n[i + 4];
    END IF;
    IF rows[4] <> '' THEN
        f := rows[4];
        DELETE FROM quantity k USING generate_series(1, cardinality(f), 5) AS i
        WHERE k.param = f[i]::integer AND k.unit = f[i + 1]::bigint AND k.low = f[i + 2] AND k.high = f[i + 3]
        AND k.rid = f[i + 4]::bigint;
    END IF;
    IF rows[5] <> '' THEN
        n := rows[5];
        DELETE FROM reference k USING generate_series(1, cardinality(n), 3) AS i
        WHERE k.param = n[i] AND k.target = n[i + 1] AND k.rid = n[i + 2];
    END IF;
    IF rows[6] <> '' THEN
        n := rows[6];
        DELETE FROM composite k USING generate_series(1, cardinality(n), 6) AS i
        WHERE k.param = n[i] AND k.a = n[i + 1] AND k.unit = n[i + 2] AND k.low = n[i + 3] AND k.high = n[i + 4]
        AND k.rid = n[i + 5];
    END IF;
    IF rows[7] <> '' THEN
        f := rows[7];
        DELETE FROM near k USING generate_series(1, cardinality(f), 5) AS i
        WHERE k.param = f[i]::integer AND k.cell = f[i + 1]::bigint AND k.lat = f[i + 2] AND k.lon = f[i + 3]
        AND k.rid = f[i + 4]::bigint;
    END IF;
    IF rows[8] <> '' THEN
        n := rows[8];
        DELETE FROM compartment k USING generate_series(1, cardinality(n), 2) AS i
        WHERE k.owner = n[i] AND k.rid = n[i + 1];
    END IF;
END $$;

-- The full text of resources: each one's words, or NULL for none.
CREATE FUNCTION put_words(rids bigint[], fresh boolean[], narrative text[], content text[]) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    IF false = ANY (fresh) THEN
        DELETE FROM fulltext k USING generate_series(1, cardinality(rids)) AS i WHERE k.rid = rids[i] AND NOT fresh[i];
    END IF;
    INSERT INTO fulltext (rid, narrative, content)
    SELECT rids[i], array_to_tsvector(string_to_array(narrative[i], ' ')), array_to_tsvector(string_to_array(content[i], ' '))
    FROM generate_series(1, cardinality(rids)) AS i WHERE content[i] IS NOT NULL;
END $$;

-- One Commit. Answers its first seq and the audit chain, or a negative number when nothing was written:
-- -1 a criterion has other candidates, -2 the search parameters are others than those of `generation`.
--   locks, exclusive      advisory locks of criteria, sorted; `whole`: 0 no criteria, 1 shared, 2 alone (criteria.py)
--   c_*                   criteria: the rids and versions that have the key now must read `expected`
--   p_rid                 rids that must exist and stay (Present); u_rid: rids that nothing may refer to (Unreferenced)
--   w_*                   the writes, in order; `fresh`: the name was never used; head and tail: the bytes around
--                         lastUpdated, NULL for a deletion
--   added, removed        index rows, see add_rows() and take_rows()
--   narrative, content    words of each write; '{}' without a full text index
-- Arrays of numbers come as text, '{1,2}': half the driver's work, and SQL has no ragged arrays.
CREATE FUNCTION apply(
    guard integer, generation bigint, whole integer, locks_in text, exclusive_in text,
    c_param_in text, c_value_in text, c_expected text[],
    p_rid_in text, u_rid_in text,
    w_fresh_in text, w_rid_in text, w_type_in text, w_id text[], w_version_in text, w_method_in text, w_shape_in text,
    w_compartments text[], w_labels text[], w_head bytea[], w_tail bytea[],
    added text[], removed text[], s_folded text[], s_whole text[], sx_folded text[], narrative text[], content text[],
    process bytea, agent text, client text, interaction text, token_id text, chain bytea,
    OUT first bigint, OUT linked bytea
) LANGUAGE plpgsql AS $$
#variable_conflict use_variable
DECLARE
    locks bigint[] := locks_in::bigint[];
    exclusive boolean[] := exclusive_in::boolean[];
    c_param integer[] := c_param_in::integer[];
    c_value bigint[] := c_value_in::bigint[];
    p_rid bigint[] := p_rid_in::bigint[];
    u_rid bigint[] := u_rid_in::bigint[];
    w_fresh boolean[] := w_fresh_in::boolean[];
    w_rid bigint[] := w_rid_in::bigint[];
    w_type smallint[] := w_type_in::smallint[];
    w_version integer[] := w_version_in::integer[];
    w_method smallint[] := w_method_in::smallint[];
    w_shape integer[] := w_shape_in::integer[];
    xid xid8;
    writes integer := coalesce(cardinality(w_rid), 0);
    ended smallint[];
    found_rows bigint;
    stamped record;
    one record;
BEGIN
    -- 0. Whoever changes the search parameters holds this lock alone until that is committed: what was indexed by the
    -- ones before is committed before it, or not at all.
    PERFORM pg_advisory_xact_lock_shared(1751741807, guard);
    IF generation <> (SELECT m.value::bigint FROM meta m WHERE m.key = 'generation') THEN
        first := -2;
        RETURN;
    END IF;

    -- 1. Criteria. Each statement of a function sees what was committed before it began, so that after a lock was
    -- granted the next statement sees what its last holder wrote.
    IF whole = 2 THEN
        PERFORM pg_advisory_xact_lock(1751741805, guard);
    ELSIF whole = 1 THEN
        PERFORM pg_advisory_xact_lock_shared(1751741805, guard);
        FOR i IN 1 .. coalesce(cardinality(locks), 0) LOOP
            IF exclusive[i] THEN
                PERFORM pg_advisory_xact_lock(locks[i]);
            ELSE
                PERFORM pg_advisory_xact_lock_shared(locks[i]);
            END IF;
        END LOOP;
    END IF;
    FOR i IN 1 .. coalesce(cardinality(c_param), 0) LOOP
        IF c_expected[i] IS DISTINCT FROM coalesce((
            SELECT string_agg(k.rid || ':' || r.version, ',' ORDER BY k.rid DESC)
            FROM (SELECT t.rid FROM token t WHERE t.param = c_param[i] AND t.value = c_value[i]
                  ORDER BY t.rid DESC LIMIT 65) k
            CROSS JOIN LATERAL (SELECT r.version FROM resource r WHERE r.rid = k.rid) r), '') THEN
            first := -1;
            RETURN;
        END IF;
    END LOOP;

    -- 2. The stamp, before anything that gives this transaction an xid.
    stamped := stamp(guard, writes);
    first := stamped.first;
    xid := stamped.xid;

    -- 3. New names, sorted: whoever creates the same name at the same time waits here, holding no row of another.
    IF writes = 1 AND w_fresh[1] THEN  -- the commonest commit, at half the cost of what follows
        INSERT INTO resource (rid, seq, xid, version, shape, type, method, id, compartments, labels, body)
        VALUES (w_rid[1], first, xid, w_version[1], w_shape[1], w_type[1], w_method[1], w_id[1],
            w_compartments[1]::bigint[], w_labels[1]::bigint[], w_head[1] || instant(first) || w_tail[1])
        ON CONFLICT DO NOTHING;
        IF NOT FOUND THEN
            RAISE EXCEPTION 'a name is not new' USING ERRCODE = 'HL001';
        END IF;
    ELSIF true = ANY (w_fresh) THEN
        INSERT INTO resource (rid, seq, xid, version, shape, type, method, id, compartments, labels, body)
        SELECT w.rid, first + w.place - 1, xid, w.version, w.shape, w.type, w.method, w.id,
            w.compartments::bigint[], w.labels::bigint[], w.head || instant(first + w.place - 1) || w.tail
        FROM unnest(w_fresh, w_rid, w_type, w_id, w_version, w_method, w_shape, w_compartments, w_labels, w_head, w_tail)
            WITH ORDINALITY AS w (fresh, rid, type, id, version, method, shape, compartments, labels, head, tail, place)
        WHERE w.fresh ORDER BY w.type, w.id COLLATE "C"
        ON CONFLICT DO NOTHING;
        GET DIAGNOSTICS found_rows = ROW_COUNT;
        IF found_rows <> cardinality(array_positions(w_fresh, true)) THEN
            RAISE EXCEPTION 'a name is not new' USING ERRCODE = 'HL001';
        END IF;
    END IF;

    -- 4. Rows that exist, each locked in the order of rids: FOR UPDATE (which excludes FOR KEY SHARE) to delete,
    -- FOR NO KEY UPDATE (which doesn't) to update, FOR KEY SHARE to be sure that a target stays.
    IF coalesce(cardinality(p_rid), 0) > 0 OR 3::smallint = ANY (w_method) THEN
        FOR one IN
            SELECT l.rid, max(l.version) AS version, max(l.strength) AS strength FROM (
                SELECT w.rid, w.version, CASE w.method WHEN 3 THEN 3 ELSE 2 END AS strength
                FROM unnest(w_rid, w_version, w_method, w_fresh) AS w (rid, version, method, fresh) WHERE NOT w.fresh
                UNION ALL SELECT p, 0, 1 FROM unnest(p_rid) AS p
            ) l GROUP BY l.rid ORDER BY l.rid
        LOOP
            IF one.strength = 3 THEN
                PERFORM FROM resource r WHERE r.rid = one.rid AND r.version = one.version - 1 AND r.seq < first FOR UPDATE;
            ELSIF one.strength = 2 THEN
                PERFORM FROM resource r WHERE r.rid = one.rid AND r.version = one.version - 1 AND r.seq < first
                FOR NO KEY UPDATE;
            ELSE
                PERFORM FROM resource r WHERE r.rid = one.rid AND r.version > 0 AND r.method <> 3 FOR KEY SHARE;
            END IF;
            IF NOT FOUND THEN
                RAISE EXCEPTION 'not as expected' USING ERRCODE = CASE one.strength WHEN 1 THEN 'HL003' ELSE 'HL002' END;
            END IF;
        END LOOP;
    ELSIF false = ANY (w_fresh) THEN
        PERFORM FROM unnest(w_rid, w_version, w_fresh) AS w (rid, version, fresh)
        JOIN resource r ON r.rid = w.rid
        WHERE NOT w.fresh AND r.version = w.version - 1 AND r.seq < first
        ORDER BY r.rid FOR NO KEY UPDATE OF r;
        GET DIAGNOSTICS found_rows = ROW_COUNT;
        IF found_rows <> cardinality(array_positions(w_fresh, false)) THEN
            RAISE EXCEPTION 'another version is current' USING ERRCODE = 'HL002';
        END IF;
    END IF;

    -- 5. Versions that end now move to `old`; the new ones take their place.
    IF false = ANY (w_fresh) THEN
        WITH gone AS (
            INSERT INTO old (seq, rid, until, xid, version, type, method, compartments, labels, body)
            SELECT r.seq, r.rid, first + w.place - 1, r.xid, r.version, r.type, r.method, r.compartments, r.labels, r.body
            FROM unnest(w_rid, w_fresh) WITH ORDINALITY AS w (rid, fresh, place)
            JOIN resource r ON r.rid = w.rid
            WHERE NOT w.fresh AND r.version > 0 RETURNING old.type, old.method)
        SELECT array_agg(g.type) FROM gone g WHERE g.method <> 3 INTO ended;
        UPDATE resource r SET seq = first + w.place - 1, xid = xid, version = w.version, method = w.method, shape = w.shape,
            compartments = w.compartments::bigint[], labels = w.labels::bigint[],
            body = w.head || instant(first + w.place - 1) || w.tail
        FROM unnest(w_fresh, w_rid, w_version, w_method, w_shape, w_compartments, w_labels, w_head, w_tail)
            WITH ORDINALITY AS w (fresh, rid, version, method, shape, compartments, labels, head, tail, place)
        WHERE NOT w.fresh AND r.rid = w.rid;
    END IF;

    -- 6. Index rows: only what differs from the version before.
    IF removed <> '{}' THEN
        PERFORM take_rows(removed, sx_folded);
    END IF;
    PERFORM add_rows(added, s_folded, s_whole);
    IF content <> '{}' THEN
        PERFORM put_words(w_rid, w_fresh, narrative, content);
    END IF;

    -- 7. Nothing may refer to what must be unreferenced. Its row is locked against Present since step 4, and this
    -- statement sees the rows of all who held it before.
    IF cardinality(u_rid) > 0 AND EXISTS (
        SELECT FROM unnest(u_rid) AS u (rid) CROSS JOIN LATERAL (
            SELECT FROM reference k WHERE k.target = u.rid AND k.rid <> u.rid LIMIT 1) k) THEN
        RAISE EXCEPTION 'still referred to' USING ERRCODE = 'HL004';
    END IF;

    -- 8. How many there are now. Sorted, and after everything else: sessions that share a stripe just take turns.
    IF writes = 1 AND w_fresh[1] AND w_method[1] <> 3 THEN
        INSERT INTO tally AS t (type, stripe, n) VALUES (w_type[1], pg_backend_pid() % 256, 1)
        ON CONFLICT (type, stripe) DO UPDATE SET n = t.n + 1;
    ELSIF writes <> 1 OR w_method[1] = 3 OR ended IS NULL THEN
        INSERT INTO tally AS t (type, stripe, n)
        SELECT c.type, pg_backend_pid() % 256, sum(c.n) FROM (
            SELECT w.type, 1 AS n FROM unnest(w_type, w_method) AS w (type, method) WHERE w.method <> 3
            UNION ALL SELECT e.type, -1 FROM unnest(ended) AS e (type)) c
        GROUP BY c.type HAVING sum(c.n) <> 0 ORDER BY c.type
        ON CONFLICT (type, stripe) DO UPDATE SET n = t.n + excluded.n;
    END IF;

    -- 9. The audit row, linked to the one before it of the same connection.
    linked := sha256(chain || convert_to(concat_ws(E'\x1f', first, writes, agent, client, interaction, token_id), 'UTF8'));
    INSERT INTO audit (seq, writes, process, agent, client, interaction, token, chain)
    VALUES (first, writes, process, agent, client, interaction, token_id, linked);
END $$;

-- Custom search parameters, one row per SearchParameter that is active or whose rows are being removed: see
-- hilum/search/catalogue.py. meta.generation grows with each change of what is here but for `cursor` and `done`.
CREATE TABLE parameter (
    id text COLLATE "C" PRIMARY KEY, definition text NOT NULL, state text NOT NULL, clear text NOT NULL,
    types text NOT NULL, cursor bigint NOT NULL, done bigint NOT NULL, total bigint NOT NULL, task text NOT NULL);
INSERT INTO meta VALUES ('generation', '0') ON CONFLICT DO NOTHING;
