-- INSERT OR REPLACE deletes rows without a trigger. Therefore the specs and open drifts of a resource are counted
-- anew, and the drifts that an insert may replace are noted before it. After the insert, they are certainly deleted:
-- otherwise it would have failed. If triggers are recursive, that of the deletion has counted them already.
DROP TRIGGER count_specs_insert;
CREATE TRIGGER count_specs_insert AFTER INSERT ON cloud_provisioned BEGIN
    UPDATE resource_states
    SET specs = (SELECT count(*) FROM cloud_provisioned WHERE resource_id = NEW.resource_id AND retired_at IS NULL)
    WHERE resource_id = NEW.resource_id;
    UPDATE resource_states
    SET class = CASE WHEN specs > 0 THEN 'managed' WHEN NOT present THEN 'other' WHEN owned THEN 'owned'
        ELSE 'unmanaged' END
    WHERE resource_id = NEW.resource_id;
END;

CREATE TABLE replaced_drifts (id PRIMARY KEY, resource_id, status, kind, field) WITHOUT ROWID;
CREATE TRIGGER note_replaced_drifts BEFORE INSERT ON cloud_drift BEGIN
    DELETE FROM replaced_drifts;
    INSERT INTO replaced_drifts SELECT id, resource_id, status, kind, field FROM cloud_drift WHERE id = NEW.id;
    INSERT OR IGNORE INTO replaced_drifts SELECT id, resource_id, status, kind, field FROM cloud_drift
    WHERE NEW.status = 'open' AND resource_id = NEW.resource_id AND field = NEW.field AND status = 'open';
END;
CREATE TRIGGER forget_replaced_drift AFTER DELETE ON cloud_drift BEGIN
    DELETE FROM replaced_drifts WHERE id = OLD.id;
END;
DROP TRIGGER count_drifts_insert;
CREATE TRIGGER count_drifts_insert AFTER INSERT ON cloud_drift BEGIN
    INSERT INTO drift_totals (level, status, drift_kind, field, provider, kind, region, n)
    SELECT 1, d.status, d.kind, d.field, coalesce(s.provider, ''), coalesce(s.kind, ''), coalesce(s.region, ''), d.n
    FROM (
        SELECT resource_id, status, kind, field, -1 AS n FROM replaced_drifts
        UNION ALL SELECT NEW.resource_id, NEW.status, NEW.kind, NEW.field, 1) AS d
    LEFT JOIN resource_states AS s ON s.resource_id = d.resource_id WHERE true
    ON CONFLICT (level, status, drift_kind, field, provider, kind, region) DO UPDATE SET n = n + excluded.n;
    INSERT INTO drift_totals (level, status, drift_kind, field, provider, kind, region, n)
    SELECT 0, status, '', '', '', '', '', n
    FROM (SELECT status, -1 AS n FROM replaced_drifts UNION ALL SELECT NEW.status, 1) WHERE true
    ON CONFLICT (level, status, drift_kind, field, provider, kind, region) DO UPDATE SET n = n + excluded.n;
    UPDATE resource_states SET
        open_changed = (SELECT count(*) FROM cloud_drift AS d
            WHERE d.resource_id = resource_states.resource_id AND d.status = 'open' AND d.kind = 'changed'),
        open_missing = (SELECT count(*) FROM cloud_drift AS d
            WHERE d.resource_id = resource_states.resource_id AND d.status = 'open' AND d.kind = 'missing')
    WHERE resource_id IN (
        SELECT NEW.resource_id WHERE NEW.status = 'open'
        UNION SELECT resource_id FROM replaced_drifts WHERE status = 'open');
    DELETE FROM replaced_drifts;
END;

CREATE TRIGGER count_forgotten_insert AFTER INSERT ON forgotten_resources BEGIN
    INSERT INTO row_totals (of_rows, key, n) VALUES ('forgotten_resources', '', 1)
    ON CONFLICT (of_rows, key) DO UPDATE SET n = n + 1;
END;
CREATE TRIGGER count_forgotten_delete AFTER DELETE ON forgotten_resources BEGIN
    INSERT INTO row_totals (of_rows, key, n) VALUES ('forgotten_resources', '', -1)
    ON CONFLICT (of_rows, key) DO UPDATE SET n = n - 1;
END;
CREATE TRIGGER count_job_runs_insert AFTER INSERT ON job_runs BEGIN
    INSERT INTO row_totals (of_rows, key, n) VALUES ('job_runs', NEW.job, 1)
    ON CONFLICT (of_rows, key) DO UPDATE SET n = n + 1;
END;
CREATE TRIGGER count_job_runs_delete AFTER DELETE ON job_runs BEGIN
    INSERT INTO row_totals (of_rows, key, n) VALUES ('job_runs', OLD.job, -1)
    ON CONFLICT (of_rows, key) DO UPDATE SET n = n - 1;
END;
CREATE TRIGGER count_job_runs_update AFTER UPDATE OF job ON job_runs WHEN OLD.job <> NEW.job BEGIN
    INSERT INTO row_totals (of_rows, key, n) VALUES ('job_runs', OLD.job, -1), ('job_runs', NEW.job, 1)
    ON CONFLICT (of_rows, key) DO UPDATE SET n = n + excluded.n;
END;
