-- The authorization server and the audit trail.

-- Records under a key, each with an end: hilum/oauth/ledger.py has the kinds. key, owner, peer: 16 bytes of a uuid, 32 of
-- a digest, or a name. state: 0 fresh, 1 used, 2 revoked. version grows with each change. changed, expires:
-- microseconds; 1 << 62: never. value: JSON; what is secret in it is sealed.
CREATE TABLE ledger (
    kind smallint NOT NULL,
    key bytea NOT NULL,
    state smallint NOT NULL,
    owner bytea NOT NULL DEFAULT '',
    peer bytea NOT NULL DEFAULT '',
    version integer NOT NULL,
    changed bigint NOT NULL,
    expires bigint NOT NULL,
    value bytea NOT NULL,
    PRIMARY KEY (kind, key)
);
CREATE INDEX ledger_owner ON ledger (kind, owner, key) WHERE owner <> '';
CREATE INDEX ledger_peer ON ledger (kind, peer, key) WHERE peer <> '';
CREATE INDEX ledger_expires ON ledger (expires) WHERE expires < 4611686018427387904;
CREATE INDEX ledger_changed ON ledger (kind, changed);

-- What is void: tokens of `key` issued up to the second `before`. kind: 1 token, 2 grant, 3 client, 4 user, 5 session,
-- 6 to 8 changed only. n is in the order of commits and never given twice, so that whoever follows misses nothing: it is
-- given under a lock that is held until the commit (ledger.py).
CREATE TABLE revocation (
    n bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    kind smallint NOT NULL,
    key bytea NOT NULL,
    before bigint NOT NULL,
    expires bigint NOT NULL
);
CREATE INDEX revocation_expires ON revocation (expires);

-- Frames of the trail of what was read: hilum/store/segments.py. low, high: microseconds. bodies are compressed already.
CREATE TABLE audit_segment (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    process bytea NOT NULL,
    first bigint NOT NULL,
    rows integer NOT NULL,
    low bigint NOT NULL,
    high bigint NOT NULL,
    before bytea NOT NULL,
    after bytea NOT NULL,
    body bytea NOT NULL,
    UNIQUE (process, first)
);
ALTER TABLE audit_segment ALTER COLUMN body SET STORAGE EXTERNAL;
CREATE INDEX audit_segment_time ON audit_segment (high, id, low);
-- Which segment speaks of whom. what: 1 patient, 2 agent, 3 client, 4 resource. high: that of the segment.
CREATE TABLE audit_about (
    key bigint NOT NULL,
    high bigint NOT NULL,
    segment bigint NOT NULL,
    what smallint NOT NULL,
    PRIMARY KEY (what, key, high, segment)
);
CREATE INDEX audit_about_segment ON audit_about (segment);
-- Seals of both chains, each linked to the one before it and signed. kind: 1 segments, 2 writes, 3 what was pruned.
CREATE TABLE audit_anchor (
    n bigint PRIMARY KEY,
    at bigint NOT NULL,
    kind smallint NOT NULL,
    body bytea NOT NULL,
    previous bytea NOT NULL,
    digest bytea NOT NULL,
    signature bytea NOT NULL,
    kid text NOT NULL
);

-- What else is known of who wrote: a JSON object; '' in rows of before, whose chain had another formula.
ALTER TABLE audit ADD COLUMN detail text NOT NULL DEFAULT '';

-- https://cr.yp.to/proto/netstrings.txt
CREATE FUNCTION netstring(t text) RETURNS text LANGUAGE sql IMMUTABLE AS $$ SELECT octet_length(t) || ':' || t || ',' $$;

DROP FUNCTION apply;

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
    process bytea, agent text, client text, interaction text, token_id text, detail text, chain bytea,
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

    -- 9. The audit row, linked to the one before it of the same connection: hilum/store/chain.py.
    linked := sha256(chain || convert_to(netstring(first::text) || netstring(writes::text) || netstring(agent)
        || netstring(client) || netstring(interaction) || netstring(token_id) || netstring(detail), 'UTF8'));
    INSERT INTO audit (seq, writes, process, agent, client, interaction, token, chain, detail)
    VALUES (first, writes, process, agent, client, interaction, token_id, linked, detail);
END $$;
