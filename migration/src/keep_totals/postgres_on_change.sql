-- Applied for each of INSERT, UPDATE and DELETE. {rows} are the new rows with sign 1 and the old rows with sign -1;
-- {event} is the event, {transition} names its transition tables.
CREATE FUNCTION count_resource_states_{event}() RETURNS trigger LANGUAGE plpgsql
    SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
    r record;
BEGIN
    FOR r IN
        SELECT provider, kind, region, class, gone, open_changed > 0 AS changed, open_missing > 0 AS missing,
            sum(sign) AS delta
        FROM ({rows}) AS changes GROUP BY 1, 2, 3, 4, 5, 6, 7 HAVING sum(sign) <> 0
    LOOP
        PERFORM add_to_resource_totals(r.provider, r.kind, r.region, r.class, r.gone, r.changed, r.missing, r.delta);
    END LOOP;
    RETURN NULL;
END $$;

CREATE FUNCTION count_specs_{event}() RETURNS trigger LANGUAGE plpgsql
    SECURITY DEFINER SET search_path FROM CURRENT
    SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off AS $$
DECLARE
    affected uuid[];
BEGIN
    SELECT array_agg(resource_id) INTO affected FROM (
        SELECT resource_id FROM ({rows}) AS changes WHERE retired_at IS NULL
        GROUP BY 1 HAVING sum(sign) <> 0) AS resources;
    IF affected IS NULL THEN
        RETURN NULL;
    END IF;
    -- Rows are locked in the order of their ids, so that two transactions cannot deadlock.
    PERFORM 1 FROM resource_states WHERE resource_id = ANY (affected) ORDER BY resource_id FOR UPDATE;
    UPDATE resource_states AS s
    SET specs = s.specs + d.n, class = resource_class(s.specs + d.n, s.present, s.owned)
    FROM (
        SELECT resource_id, sum(sign)::integer AS n FROM ({rows}) AS changes WHERE retired_at IS NULL GROUP BY 1
        HAVING sum(sign) <> 0) AS d
    WHERE s.resource_id = d.resource_id;
    RETURN NULL;
END $$;

CREATE FUNCTION count_drifts_{event}() RETURNS trigger LANGUAGE plpgsql
    SECURITY DEFINER SET search_path FROM CURRENT
    SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off AS $$
DECLARE
    affected uuid[];
    r record;
BEGIN
    SELECT array_agg(DISTINCT resource_id) INTO affected FROM (
        SELECT resource_id FROM ({rows}) AS changes GROUP BY resource_id, status, kind, field
        HAVING sum(sign) <> 0) AS resources;
    IF affected IS NULL THEN
        RETURN NULL;
    END IF;
    PERFORM 1 FROM resource_states WHERE resource_id = ANY (affected) ORDER BY resource_id FOR UPDATE;
    FOR r IN
        SELECT d.status, d.kind AS drift_kind, d.field, s.provider, s.kind, s.region, sum(d.sign) AS delta
        FROM ({rows}) AS d JOIN resource_states AS s ON s.resource_id = d.resource_id
        GROUP BY 1, 2, 3, 4, 5, 6 HAVING sum(d.sign) <> 0
    LOOP
        PERFORM add_to_drift_totals(1, r.status, r.drift_kind, r.field, r.provider, r.kind, r.region, r.delta);
    END LOOP;
    FOR r IN SELECT status, sum(sign) AS delta FROM ({rows}) AS changes GROUP BY 1 HAVING sum(sign) <> 0 LOOP
        PERFORM add_to_drift_totals(0, r.status, '', '', '', '', '', r.delta);
    END LOOP;
    UPDATE resource_states AS s
    SET open_changed = s.open_changed + d.changed, open_missing = s.open_missing + d.missing
    FROM (
        SELECT resource_id, coalesce(sum(sign) FILTER (WHERE kind = 'changed'), 0) AS changed,
            coalesce(sum(sign) FILTER (WHERE kind = 'missing'), 0) AS missing
        FROM ({rows}) AS changes WHERE status = 'open' GROUP BY 1) AS d
    WHERE s.resource_id = d.resource_id AND (d.changed <> 0 OR d.missing <> 0);
    RETURN NULL;
END $$;

CREATE TRIGGER count_states_{event} AFTER {event} ON resource_states
    REFERENCING {transition} FOR EACH STATEMENT EXECUTE FUNCTION count_resource_states_{event}();
CREATE TRIGGER count_specs_{event} AFTER {event} ON cloud_provisioned
    REFERENCING {transition} FOR EACH STATEMENT EXECUTE FUNCTION count_specs_{event}();
CREATE TRIGGER count_drifts_{event} AFTER {event} ON cloud_drift
    REFERENCING {transition} FOR EACH STATEMENT EXECUTE FUNCTION count_drifts_{event}();
