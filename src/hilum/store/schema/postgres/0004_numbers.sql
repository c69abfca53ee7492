-- A resource gets its number when it is created: docs/adr/0010-numbers-are-given-at-creation.md.

-- The number that a name had while it was only referred to: versions keep it that were committed with it
-- (resource.compartments, old.compartments). at: when it was given up, microseconds.
CREATE TABLE former (was bigint PRIMARY KEY, rid bigint NOT NULL UNIQUE, at bigint NOT NULL);

-- Whether none of these numbers was given up. What commits it holds a lock that keeps them from it (moving.py).
CREATE FUNCTION stand(rids text) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
    RETURN cardinality(rids::bigint[]) = (
        SELECT count(*) FROM unnest(rids::bigint[]) AS h (rid)
        CROSS JOIN LATERAL (SELECT FROM resource r WHERE r.rid = h.rid LIMIT 1) r);
END $$;

-- What was only referred to is created: its row, and all that refers to it, go from the numbers `was` to those that are
-- `given`. Composites whose second value is a reference: of the parameters `beside` each such reference also stands in
-- `reference`, under one of the parameters `own`; of those `alone` it may not. Whoever refers to it meanwhile waits, and
-- then finds that it does not stand any more: the caller holds its lock (moving.py).
CREATE FUNCTION move(was_in text, given_in text, beside_in text, own_in text, alone_in text, at bigint) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    was bigint[] := was_in::bigint[];
    given bigint[] := given_in::bigint[];
    beside integer[] := beside_in::integer[];
    own integer[] := own_in::integer[];
    those bigint[];
    firsts bigint[];
BEGIN
    -- Each parameter and first value of those that are alone: a step of the index each.
    WITH RECURSIVE found (param, a) AS (
        SELECT p, (SELECT k.a FROM composite k WHERE k.param = p ORDER BY k.a LIMIT 1)
        FROM unnest(alone_in::integer[]) AS p
        UNION ALL
        SELECT f.param, (SELECT k.a FROM composite k WHERE k.param = f.param AND k.a > f.a ORDER BY k.a LIMIT 1)
        FROM found f WHERE f.a IS NOT NULL)
    SELECT array_agg(ARRAY[f.param::bigint, f.a]) INTO firsts FROM found f WHERE f.a IS NOT NULL;
    FOR i IN 1 .. cardinality(was) LOOP
        UPDATE resource r SET rid = given[i] WHERE r.rid = was[i] AND r.version = 0;
        IF NOT FOUND THEN
            RAISE EXCEPTION 'another version is current' USING ERRCODE = 'HL002';
        END IF;
        INSERT INTO former VALUES (was[i], given[i], move.at);
        SELECT array_agg(DISTINCT k.rid) INTO those FROM reference k WHERE k.target = was[i] AND k.param = ANY (own);
        IF those IS NOT NULL THEN
            -- By resource: the sums keep it off the index by parameter, also where nothing is known of how many there are.
            UPDATE composite k SET low = given[i], high = given[i]
            WHERE k.rid = ANY (those) AND k.param >= 0 AND k.param + 0 = ANY (beside) AND k.unit + 0 = 0
            AND k.low + 0 = was[i] AND k.high + 0 = was[i];
        END IF;
        UPDATE reference k SET target = given[i] WHERE k.target = was[i];
        UPDATE compartment k SET owner = given[i] WHERE k.owner = was[i];
        FOR j IN 1 .. coalesce(array_length(firsts, 1), 0) LOOP
            UPDATE composite k SET low = given[i], high = given[i]
            WHERE k.param = firsts[j][1]::integer AND k.a = firsts[j][2] AND k.unit = 0 AND k.low = was[i]
            AND k.high = was[i];
        END LOOP;
    END LOOP;
END $$;

DROP FUNCTION apply;

-- One Commit. Answers its first seq and the audit chain, or a negative number when nothing was written:
-- -1 a criterion has other candidates, -2 the search parameters are others than those of `generation`, -3 a number that is
-- referred to was given up.
--   locks, exclusive      advisory locks of criteria and of what is only referred to, sorted; `whole`: 0 no criteria,
--                         1 shared, 2 alone (criteria.py, moving.py)
--   c_*                   criteria: the rids and versions that have the key now must read `expected`
--   p_rid                 rids that must exist and stay (Present); u_rid: rids that nothing may refer to (Unreferenced)
--   h_rid                 rids that are referred to and may have been given up; m_*: see move()
--   w_*                   the writes, in order; `fresh`: the name was never used; head and tail: the bytes around
--                         lastUpdated, NULL for a deletion
--   added, removed        index rows, see add_rows() and take_rows()
--   narrative, content    words of each write; '{}' without a full text index
-- Arrays of numbers come as text, '{1,2}': half the driver's work, and SQL has no ragged arrays.
CREATE FUNCTION apply(
    guard integer, generation bigint, whole integer, locks_in text, exclusive_in text,
    c_param_in text, c_value_in text, c_expected text[],
    p_rid_in text, u_rid_in text, h_rid_in text, m_was text, m_rid text,
    m_beside text, m_own text, m_alone text,
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

    -- 1. Locks and criteria. Each statement of a function sees what was committed before it began, so that after a lock was
    -- granted the next statement sees what its last holder wrote.
    IF whole = 2 THEN
        PERFORM pg_advisory_xact_lock(1751741805, guard);
    ELSIF whole = 1 THEN
        PERFORM pg_advisory_xact_lock_shared(1751741805, guard);
    END IF;
    FOR i IN 1 .. coalesce(cardinality(locks), 0) LOOP
        IF exclusive[i] THEN
            PERFORM pg_advisory_xact_lock(locks[i]);
        ELSE
            PERFORM pg_advisory_xact_lock_shared(locks[i]);
        END IF;
    END LOOP;
    IF h_rid_in <> '{}' AND NOT stand(h_rid_in) THEN
        first := -3;
        RETURN;
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

    -- What was only referred to so far becomes a row of the number that it gets now.
    IF m_was <> '{}' THEN
        PERFORM move(m_was, m_rid, m_beside, m_own, m_alone, first);
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
