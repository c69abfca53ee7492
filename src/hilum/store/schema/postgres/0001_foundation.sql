-- The first layout of a PostgreSQL store. docs/adr/0003-postgres-layout.md explains it with worked rows and figures.
-- Run with search_path set to the tenant's schema alone.

CREATE TABLE meta (key text PRIMARY KEY, value text NOT NULL);

-- The last seq given: microseconds since 1970, moved on by setval in stamp(). The last n given: in blocks, never again.
CREATE SEQUENCE stamped AS bigint;
CREATE SEQUENCE numbered AS bigint INCREMENT 64;

-- The current version, tombstones included. rid = type << 40 | n. version 0 (seq 0): only referred to so far.
-- method: 0 none, 1 POST, 2 PUT, 3 DELETE, 4 PATCH. xid: the transaction that wrote this version, for changes().
-- params: the parameters that have a value, for :missing. compartments: rids of their owners. labels: hashed.
CREATE TABLE resource (
    rid bigint PRIMARY KEY,
    seq bigint NOT NULL,
    xid xid8 NOT NULL,
    version integer NOT NULL,
    type smallint NOT NULL,
    method smallint NOT NULL,
    id text COLLATE "C" NOT NULL,
    params integer[],
    compartments bigint[],
    labels bigint[],
    body bytea
);
CREATE UNIQUE INDEX resource_name ON resource (type, id);
CREATE INDEX resource_seq ON resource (seq) WHERE version > 0;
CREATE INDEX resource_type_seq ON resource (type, seq) WHERE version > 0;
CREATE INDEX resource_gone ON resource (type) WHERE method = 3;

-- Versions that are no longer current, moved here by the update that replaced them at `until`.
CREATE TABLE old (
    seq bigint PRIMARY KEY,
    rid bigint NOT NULL,
    until bigint NOT NULL,
    xid xid8 NOT NULL,
    version integer NOT NULL,
    type smallint NOT NULL,
    method smallint NOT NULL,
    compartments bigint[],
    labels bigint[],
    body bytea
);
CREATE UNIQUE INDEX old_version ON old (rid, version);
CREATE INDEX old_type_seq ON old (type, seq);

-- Index rows of current versions. Values: see hilum/store/keys.py. uris are tokens, too.
CREATE TABLE token (value bigint NOT NULL, rid bigint NOT NULL, param integer NOT NULL);
CREATE INDEX token_key ON token (param, value, rid);

-- folded: the first 200 characters, so that no value is too long for an index; whole: all of it where it is longer.
CREATE TABLE string (
    rid bigint NOT NULL,
    param integer NOT NULL,
    folded text COLLATE "C" NOT NULL,
    whole text COLLATE "C",
    value text COLLATE "C" NOT NULL
);
CREATE INDEX string_key ON string (param, folded, rid);
CREATE INDEX string_rid ON string (rid, param);

-- span: the class of the interval's length (keys.span), so that a range of `low` finds what ends after a moment.
CREATE TABLE date (
    rid bigint NOT NULL, low bigint NOT NULL, high bigint NOT NULL, param integer NOT NULL, span smallint NOT NULL);
CREATE INDEX date_key ON date (param, span, low, high, rid);
CREATE INDEX date_rid ON date (rid, param);

-- param < 0: by parameter -param, and the target is also a compartment that the resource is in (one row per target
-- says so); 0: the compartment alone. All of it is in the index, so that the table need not be looked at.
CREATE TABLE reference (target bigint NOT NULL, rid bigint NOT NULL, param integer NOT NULL);
CREATE INDEX reference_key ON reference (target, rid, param);

-- Index-only scans need pages that vacuum has seen; rows that are only added would wait for a fifth of the table.
ALTER TABLE resource SET (autovacuum_vacuum_insert_scale_factor = 0.02);
ALTER TABLE token SET (autovacuum_vacuum_insert_scale_factor = 0.02);
ALTER TABLE date SET (autovacuum_vacuum_insert_scale_factor = 0.02);
ALTER TABLE reference SET (autovacuum_vacuum_insert_scale_factor = 0.02);

-- Who wrote: one row per commit, about the versions seq ... seq + writes - 1. Appended to, never changed.
-- chain = SHA-256(chain before, row) within one `process`, which is one connection of one hilum process.
CREATE TABLE audit (
    seq bigint PRIMARY KEY,
    writes integer NOT NULL,
    process bytea NOT NULL,
    agent text NOT NULL,
    client text NOT NULL,
    interaction text NOT NULL,
    token text NOT NULL,
    chain bytea NOT NULL
);

-- A seq for each of `writes` versions, and this transaction's xid. The advisory lock makes the order of seqs the
-- order of xids, which is what changes() stands on (src/hilum/store/postgres/history.py has the proof):
--   * the xid is given inside the lock (a transaction that has one already is refused), and so is the seq;
--   * the lock is held for these four lines, not until the commit, so that commits flush together;
--   * setval is not undone by a rollback, and its WAL record precedes the commit's: after a crash the sequence
--     stands at or above every seq that was committed.
-- Nothing is waited for while it is held: it can't be part of a deadlock.
CREATE FUNCTION stamp(guard integer, writes integer, OUT first bigint, OUT xid xid8) LANGUAGE plpgsql AS $$
BEGIN
    IF pg_current_xact_id_if_assigned() IS NOT NULL THEN
        RAISE EXCEPTION 'stamp() must be the first thing that a transaction writes';
    END IF;
    PERFORM pg_advisory_lock(1751741804, guard);
    xid := pg_current_xact_id();
    first := greatest((extract(epoch FROM clock_timestamp()) * 1000000)::bigint, pg_sequence_last_value('stamped') + 1);
    PERFORM setval('stamped', first + greatest(writes, 1) - 1);
    PERFORM pg_advisory_unlock(1751741804, guard);
END $$;

-- A FHIR instant in UTC with six fraction digits, as hilum.fhir.resource.instant writes it.
CREATE FUNCTION instant(seq bigint) RETURNS bytea LANGUAGE sql STABLE AS $$
    SELECT convert_to(to_char(timestamp '1970-01-01' + seq * interval '1 microsecond',
        'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'), 'UTF8')
$$;

-- Intern names: their rids; a name that nobody used yet becomes a row of version 0. Sorted, so that two that
-- intern the same names wait for each other in one order. A name seen here is never taken away again.
CREATE FUNCTION intern(types smallint[], ids text[], numbers bigint[])
RETURNS TABLE (type smallint, id text, rid bigint) LANGUAGE plpgsql AS $$
#variable_conflict use_column
BEGIN
    INSERT INTO resource (rid, seq, xid, version, type, method, id)
    SELECT n.t::bigint << 40 | n.number, 0, '0', 0, n.t, 0, n.i FROM unnest(types, ids, numbers) AS n (t, i, number)
    ORDER BY n.t, n.i COLLATE "C" ON CONFLICT DO NOTHING;
    RETURN QUERY SELECT r.type, r.id, r.rid FROM unnest(types, ids) AS n (t, i)
    CROSS JOIN LATERAL (SELECT * FROM resource r WHERE r.type = n.t AND r.id = n.i) r;
END $$;

-- One Commit. Answers its first seq and the audit chain, or a negative number when nothing was written:
-- -1 a criterion has other candidates, -2 another version is current, -3 a reference's target is not there.
--   locks, exclusive      advisory locks of criteria, sorted; `whole`: 0 no criteria, 1 shared, 2 alone (apply.py)
--   c_*                   criteria: the rids and versions that have the key now must read `expected`
--   p_rid                 rids that must exist and stay (Present); u_rid: rids that nothing may refer to (Unreferenced)
--   w_*                   the writes, in order; `fresh`: the name was never used; head and tail: the bytes around
--                         lastUpdated, NULL for a deletion
--   t_*, s_*, d_*, r_*    index rows to add; with x: to take away
-- Arrays of numbers come as text, '{1,2}': half the driver's work, and SQL has no ragged arrays (w_params).
CREATE FUNCTION apply(
    guard integer, whole integer, locks_in text, exclusive_in text,
    c_param_in text, c_value_in text, c_expected text[],
    p_rid_in text, u_rid_in text,
    w_fresh_in text, w_rid_in text, w_type_in text, w_id text[], w_version_in text, w_method_in text,
    w_params text[], w_compartments text[], w_labels text[], w_head bytea[], w_tail bytea[],
    t_param text, t_value text, t_rid text,
    s_param text, s_folded text[], s_whole text[], s_value text[], s_rid text,
    d_param text, d_span text, d_low text, d_high text, d_rid text,
    r_target text, r_param text, r_rid text,
    tx_param text, tx_value text, tx_rid text,
    sx_param text, sx_folded text[], sx_value text[], sx_rid text,
    dx_param text, dx_span text, dx_low text, dx_high text, dx_rid text,
    rx_target text, rx_param text, rx_rid text,
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
    xid xid8;
    writes integer := coalesce(cardinality(w_rid), 0);
    found_rows bigint;
    stamped record;
    one record;
BEGIN
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
        INSERT INTO resource (rid, seq, xid, version, type, method, id, params, compartments, labels, body)
        VALUES (w_rid[1], first, xid, w_version[1], w_type[1], w_method[1], w_id[1], w_params[1]::integer[],
            w_compartments[1]::bigint[], w_labels[1]::bigint[], w_head[1] || instant(first) || w_tail[1])
        ON CONFLICT DO NOTHING;
        IF NOT FOUND THEN
            RAISE EXCEPTION 'a name is not new' USING ERRCODE = 'HL001';
        END IF;
    ELSIF true = ANY (w_fresh) THEN
        INSERT INTO resource (rid, seq, xid, version, type, method, id, params, compartments, labels, body)
        SELECT w.rid, first + w.place - 1, xid, w.version, w.type, w.method, w.id, w.params::integer[],
            w.compartments::bigint[], w.labels::bigint[], w.head || instant(first + w.place - 1) || w.tail
        FROM unnest(w_fresh, w_rid, w_type, w_id, w_version, w_method, w_params, w_compartments, w_labels, w_head, w_tail)
            WITH ORDINALITY AS w (fresh, rid, type, id, version, method, params, compartments, labels, head, tail, place)
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
        INSERT INTO old (seq, rid, until, xid, version, type, method, compartments, labels, body)
        SELECT r.seq, r.rid, first + w.place - 1, r.xid, r.version, r.type, r.method, r.compartments, r.labels, r.body
        FROM unnest(w_rid, w_fresh) WITH ORDINALITY AS w (rid, fresh, place)
        JOIN resource r ON r.rid = w.rid
        WHERE NOT w.fresh AND r.version > 0;
        UPDATE resource r SET seq = first + w.place - 1, xid = xid, version = w.version, method = w.method,
            params = w.params::integer[], compartments = w.compartments::bigint[], labels = w.labels::bigint[],
            body = w.head || instant(first + w.place - 1) || w.tail
        FROM unnest(w_fresh, w_rid, w_version, w_method, w_params, w_compartments, w_labels, w_head, w_tail)
            WITH ORDINALITY AS w (fresh, rid, version, method, params, compartments, labels, head, tail, place)
        WHERE NOT w.fresh AND r.rid = w.rid;
    END IF;

    -- 6. Index rows: only what differs from the version before.
    IF tx_rid <> '{}' THEN
        DELETE FROM token k
        USING unnest(tx_param::integer[], tx_value::bigint[], tx_rid::bigint[]) AS x (param, value, rid)
        WHERE k.param = x.param AND k.value = x.value AND k.rid = x.rid;
    END IF;
    IF sx_rid <> '{}' THEN
        DELETE FROM string k
        USING unnest(sx_param::integer[], sx_folded, sx_value, sx_rid::bigint[]) AS x (param, folded, value, rid)
        WHERE k.param = x.param AND k.folded = x.folded AND k.rid = x.rid AND k.value = x.value;
    END IF;
    IF dx_rid <> '{}' THEN
        DELETE FROM date k
        USING unnest(dx_param::integer[], dx_span::smallint[], dx_low::bigint[], dx_high::bigint[], dx_rid::bigint[])
            AS x (param, span, low, high, rid)
        WHERE k.param = x.param AND k.span = x.span AND k.low = x.low AND k.high = x.high AND k.rid = x.rid;
    END IF;
    IF rx_rid <> '{}' THEN
        DELETE FROM reference k
        USING unnest(rx_target::bigint[], rx_param::integer[], rx_rid::bigint[]) AS x (target, param, rid)
        WHERE k.target = x.target AND k.rid = x.rid AND k.param = x.param;
    END IF;
    IF t_rid <> '{}' THEN
        INSERT INTO token (value, rid, param)
        SELECT k.* FROM unnest(t_value::bigint[], t_rid::bigint[], t_param::integer[]) AS k;
    END IF;
    IF s_rid <> '{}' THEN
        INSERT INTO string (rid, param, folded, whole, value)
        SELECT k.* FROM unnest(s_rid::bigint[], s_param::integer[], s_folded, s_whole, s_value) AS k;
    END IF;
    IF d_rid <> '{}' THEN
        INSERT INTO date (rid, low, high, param, span)
        SELECT k.* FROM unnest(d_rid::bigint[], d_low::bigint[], d_high::bigint[], d_param::integer[], d_span::smallint[])
            AS k;
    END IF;
    IF r_rid <> '{}' THEN
        INSERT INTO reference (target, rid, param)
        SELECT k.* FROM unnest(r_target::bigint[], r_rid::bigint[], r_param::integer[]) AS k;
    END IF;

    -- 7. Nothing may refer to what must be unreferenced. Its row is locked against Present since step 4, and this
    -- statement sees the rows of all who held it before.
    IF cardinality(u_rid) > 0 AND EXISTS (
        SELECT FROM unnest(u_rid) AS u (rid) CROSS JOIN LATERAL (
            SELECT FROM reference k WHERE k.target = u.rid AND k.rid <> u.rid AND k.param <> 0 LIMIT 1) k) THEN
        RAISE EXCEPTION 'still referred to' USING ERRCODE = 'HL004';
    END IF;

    -- 8. The audit row, linked to the one before it of the same connection.
    linked := sha256(chain || convert_to(concat_ws(E'\x1f', first, writes, agent, client, interaction, token_id), 'UTF8'));
    INSERT INTO audit (seq, writes, process, agent, client, interaction, token, chain)
    VALUES (first, writes, process, agent, client, interaction, token_id, linked);
END $$;
