DROP TRIGGER count_specs_insert;
CREATE TRIGGER count_specs_insert AFTER INSERT ON cloud_provisioned WHEN NEW.retired_at IS NULL BEGIN
    UPDATE resource_states SET specs = specs + 1, class = 'managed' WHERE resource_id = NEW.resource_id;
END;
DROP TRIGGER note_replaced_drifts;
DROP TRIGGER forget_replaced_drift;
DROP TRIGGER count_drifts_insert;
CREATE TRIGGER count_drifts_insert AFTER INSERT ON cloud_drift BEGIN
    INSERT INTO drift_totals (level, status, drift_kind, field, provider, kind, region, n)
    SELECT 1, NEW.status, NEW.kind, NEW.field, coalesce(s.provider, ''), coalesce(s.kind, ''),
        coalesce(s.region, ''), 1
    FROM (SELECT 1) LEFT JOIN resource_states AS s ON s.resource_id = NEW.resource_id WHERE true
    ON CONFLICT (level, status, drift_kind, field, provider, kind, region) DO UPDATE SET n = n + excluded.n;
    INSERT INTO drift_totals (level, status, drift_kind, field, provider, kind, region, n)
    VALUES (0, NEW.status, '', '', '', '', '', 1)
    ON CONFLICT (level, status, drift_kind, field, provider, kind, region) DO UPDATE SET n = n + excluded.n;
    UPDATE resource_states
    SET open_changed = open_changed + 1 * (NEW.kind = 'changed'),
        open_missing = open_missing + 1 * (NEW.kind = 'missing')
    WHERE resource_id = NEW.resource_id AND NEW.status = 'open';
END;
DROP TABLE replaced_drifts;
DROP TRIGGER count_forgotten_insert;
DROP TRIGGER count_forgotten_delete;
DROP TRIGGER count_job_runs_insert;
DROP TRIGGER count_job_runs_delete;
DROP TRIGGER count_job_runs_update;
