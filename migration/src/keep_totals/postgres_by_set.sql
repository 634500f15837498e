-- Applied for each of INSERT, UPDATE and DELETE, as the functions that it replaces. It adds to all totals of a statement
-- with one statement, instead of one function call for each total.
CREATE OR REPLACE FUNCTION count_resource_states_{event}() RETURNS trigger LANGUAGE plpgsql
    SECURITY DEFINER SET search_path FROM CURRENT
    SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off AS $$
DECLARE
    -- At the other isolation levels, a row that has changed since the snapshot cannot be updated.
    can_update boolean := current_setting('transaction_isolation') IN ('read committed', 'read uncommitted');
BEGIN
    WITH deltas AS MATERIALIZED (
        SELECT provider, kind, region, class, gone, open_changed > 0 AS changed, open_missing > 0 AS missing,
            sum(sign) AS delta
        FROM ({rows}) AS changes GROUP BY 1, 2, 3, 4, 5, 6, 7 HAVING sum(sign) <> 0
    ), found AS MATERIALIZED (
        SELECT deltas.*, unlocked.id
        FROM deltas LEFT JOIN LATERAL (
            SELECT t.id FROM resource_totals AS t
            WHERE can_update AND t.provider = deltas.provider AND t.kind = deltas.kind AND t.region = deltas.region
                AND t.class = deltas.class AND t.gone = deltas.gone AND t.changed = deltas.changed
                AND t.missing = deltas.missing
            LIMIT 1 FOR UPDATE SKIP LOCKED) AS unlocked ON true
    ), added AS (
        UPDATE resource_totals AS t SET n = t.n + found.delta FROM found WHERE t.id = found.id
    )
    INSERT INTO resource_totals (provider, kind, region, class, gone, changed, missing, n)
    SELECT provider, kind, region, class, gone, changed, missing, delta FROM found WHERE id IS NULL;
    RETURN NULL;
END $$;

CREATE OR REPLACE FUNCTION count_drifts_{event}() RETURNS trigger LANGUAGE plpgsql
    SECURITY DEFINER SET search_path FROM CURRENT
    SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off AS $$
DECLARE
    affected uuid[];
    can_update boolean := current_setting('transaction_isolation') IN ('read committed', 'read uncommitted');
BEGIN
    SELECT array_agg(DISTINCT resource_id) INTO affected FROM (
        SELECT resource_id FROM ({rows}) AS changes GROUP BY resource_id, status, kind, field
        HAVING sum(sign) <> 0) AS resources;
    IF affected IS NULL THEN
        RETURN NULL;
    END IF;
    PERFORM 1 FROM resource_states WHERE resource_id = ANY (affected) ORDER BY resource_id FOR UPDATE;
    WITH deltas AS MATERIALIZED (
        SELECT 1 AS level, d.status, d.kind AS drift_kind, d.field, s.provider, s.kind, s.region, sum(d.sign) AS delta
        FROM ({rows}) AS d JOIN resource_states AS s ON s.resource_id = d.resource_id
        GROUP BY 1, 2, 3, 4, 5, 6, 7 HAVING sum(d.sign) <> 0
        UNION ALL
        SELECT 0, status, '', '', '', '', '', sum(sign) FROM ({rows}) AS changes GROUP BY 2 HAVING sum(sign) <> 0
    ), found AS MATERIALIZED (
        SELECT deltas.*, unlocked.id
        FROM deltas LEFT JOIN LATERAL (
            SELECT t.id FROM drift_totals AS t
            WHERE can_update AND t.level = deltas.level AND t.status = deltas.status
                AND t.drift_kind = deltas.drift_kind AND t.field = deltas.field AND t.provider = deltas.provider
                AND t.kind = deltas.kind AND t.region = deltas.region
            LIMIT 1 FOR UPDATE SKIP LOCKED) AS unlocked ON true
    ), added AS (
        UPDATE drift_totals AS t SET n = t.n + found.delta FROM found WHERE t.id = found.id
    )
    INSERT INTO drift_totals (level, status, drift_kind, field, provider, kind, region, n)
    SELECT level, status, drift_kind, field, provider, kind, region, delta FROM found WHERE id IS NULL;
    UPDATE resource_states AS s
    SET open_changed = s.open_changed + d.changed, open_missing = s.open_missing + d.missing
    FROM (
        SELECT resource_id, coalesce(sum(sign) FILTER (WHERE kind = 'changed'), 0) AS changed,
            coalesce(sum(sign) FILTER (WHERE kind = 'missing'), 0) AS missing
        FROM ({rows}) AS changes WHERE status = 'open' GROUP BY 1) AS d
    WHERE s.resource_id = d.resource_id AND (d.changed <> 0 OR d.missing <> 0);
    RETURN NULL;
END $$;
