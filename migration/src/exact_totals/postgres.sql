-- Counts the specs and drifts of new resources, because a session that does not enforce foreign keys may have written
-- them before. A state that such a session left behind is replaced.
CREATE OR REPLACE FUNCTION insert_resource_states() RETURNS trigger LANGUAGE plpgsql
    SECURITY DEFINER SET search_path FROM CURRENT SET enable_seqscan = off AS $$
BEGIN
    INSERT INTO resource_states
        (resource_id, provider, kind, region, present, gone, owned, specs, class, open_changed, open_missing)
    SELECT r.id, r.provider, r.kind, coalesce(r.region, ''), r.first_seen_at IS NOT NULL AND r.gone_at IS NULL,
        r.gone_at IS NOT NULL, r.owned, s.n,
        resource_class(s.n, r.first_seen_at IS NOT NULL AND r.gone_at IS NULL, r.owned), d.changed, d.missing
    FROM new_rows AS r
    CROSS JOIN LATERAL (
        SELECT count(*)::integer AS n FROM cloud_provisioned WHERE resource_id = r.id AND retired_at IS NULL) AS s
    CROSS JOIN LATERAL (
        SELECT (count(*) FILTER (WHERE kind = 'changed'))::integer AS changed,
            (count(*) FILTER (WHERE kind = 'missing'))::integer AS missing
        FROM cloud_drift WHERE resource_id = r.id AND status = 'open') AS d
    ORDER BY r.id
    ON CONFLICT (resource_id) DO UPDATE SET
        provider = excluded.provider, kind = excluded.kind, region = excluded.region, present = excluded.present,
        gone = excluded.gone, owned = excluded.owned, specs = excluded.specs, class = excluded.class,
        open_changed = excluded.open_changed, open_missing = excluded.open_missing;
    RETURN NULL;
END $$;

ALTER TABLE row_totals SET (fillfactor = 50);

-- Adds to one row of row_totals, as add_to_drift_totals does.
CREATE FUNCTION add_to_row_totals(of_table text, of_key text, delta bigint) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    unlocked bigint;
BEGIN
    IF current_setting('transaction_isolation') IN ('read committed', 'read uncommitted') THEN
        SELECT id INTO unlocked FROM row_totals WHERE of_rows = of_table AND key = of_key
        LIMIT 1 FOR UPDATE SKIP LOCKED;
        IF FOUND THEN
            UPDATE row_totals SET n = n + delta WHERE id = unlocked;
            RETURN;
        END IF;
    END IF;
    INSERT INTO row_totals (of_rows, key, n) VALUES (of_table, of_key, delta);
END $$;

CREATE FUNCTION count_forgotten() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
    PERFORM add_to_row_totals('forgotten_resources', '', delta)
    FROM (SELECT CASE TG_OP WHEN 'INSERT' THEN count(*) ELSE -count(*) END AS delta FROM changed) AS n
    WHERE delta <> 0;
    RETURN NULL;
END $$;
CREATE TRIGGER count_forgotten_insert AFTER INSERT ON forgotten_resources
    REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION count_forgotten();
CREATE TRIGGER count_forgotten_delete AFTER DELETE ON forgotten_resources
    REFERENCING OLD TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION count_forgotten();

CREATE FUNCTION count_job_runs() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
    PERFORM add_to_row_totals('job_runs', job, delta)
    FROM (SELECT job, CASE TG_OP WHEN 'INSERT' THEN count(*) ELSE -count(*) END AS delta FROM changed GROUP BY job) AS n;
    RETURN NULL;
END $$;
CREATE TRIGGER count_job_runs_insert AFTER INSERT ON job_runs
    REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION count_job_runs();
CREATE TRIGGER count_job_runs_delete AFTER DELETE ON job_runs
    REFERENCING OLD TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION count_job_runs();
CREATE FUNCTION recount_job_run() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
    PERFORM add_to_row_totals('job_runs', OLD.job, -1);
    PERFORM add_to_row_totals('job_runs', NEW.job, 1);
    RETURN NULL;
END $$;
CREATE TRIGGER count_job_runs_update AFTER UPDATE OF job ON job_runs
    FOR EACH ROW WHEN (OLD.job <> NEW.job) EXECUTE FUNCTION recount_job_run();

CREATE FUNCTION forget_rows() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
    DELETE FROM row_totals WHERE of_rows = TG_TABLE_NAME;
    RETURN NULL;
END $$;
CREATE TRIGGER forget_forgotten AFTER TRUNCATE ON forgotten_resources
    FOR EACH STATEMENT EXECUTE FUNCTION forget_rows();
CREATE TRIGGER forget_job_runs AFTER TRUNCATE ON job_runs FOR EACH STATEMENT EXECUTE FUNCTION forget_rows();
