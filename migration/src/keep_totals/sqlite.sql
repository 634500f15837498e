-- resource_states -> resource_totals
CREATE TRIGGER count_states_insert AFTER INSERT ON resource_states BEGIN
    INSERT INTO resource_totals (provider, kind, region, class, gone, changed, missing, n)
    VALUES (NEW.provider, NEW.kind, NEW.region, NEW.class, NEW.gone, NEW.open_changed > 0, NEW.open_missing > 0, 1)
    ON CONFLICT (provider, kind, region, class, gone, changed, missing) DO UPDATE SET n = n + 1;
END;
CREATE TRIGGER count_states_delete AFTER DELETE ON resource_states BEGIN
    INSERT INTO resource_totals (provider, kind, region, class, gone, changed, missing, n)
    VALUES (OLD.provider, OLD.kind, OLD.region, OLD.class, OLD.gone, OLD.open_changed > 0, OLD.open_missing > 0, -1)
    ON CONFLICT (provider, kind, region, class, gone, changed, missing) DO UPDATE SET n = n - 1;
END;
CREATE TRIGGER count_states_update AFTER UPDATE ON resource_states
WHEN OLD.provider <> NEW.provider OR OLD.kind <> NEW.kind OR OLD.region <> NEW.region OR OLD.class <> NEW.class
    OR OLD.gone <> NEW.gone OR (OLD.open_changed > 0) <> (NEW.open_changed > 0)
    OR (OLD.open_missing > 0) <> (NEW.open_missing > 0)
BEGIN
    INSERT INTO resource_totals (provider, kind, region, class, gone, changed, missing, n)
    VALUES (OLD.provider, OLD.kind, OLD.region, OLD.class, OLD.gone, OLD.open_changed > 0, OLD.open_missing > 0, -1)
    ON CONFLICT (provider, kind, region, class, gone, changed, missing) DO UPDATE SET n = n - 1;
    INSERT INTO resource_totals (provider, kind, region, class, gone, changed, missing, n)
    VALUES (NEW.provider, NEW.kind, NEW.region, NEW.class, NEW.gone, NEW.open_changed > 0, NEW.open_missing > 0, 1)
    ON CONFLICT (provider, kind, region, class, gone, changed, missing) DO UPDATE SET n = n + 1;
END;

-- cloud_resources. INSERT OR REPLACE deletes a row without a trigger, so the state may exist already.
CREATE TRIGGER insert_states AFTER INSERT ON cloud_resources BEGIN
    INSERT INTO resource_states
        (resource_id, provider, kind, region, present, gone, owned, specs, class, open_changed, open_missing)
    SELECT NEW.id, NEW.provider, NEW.kind, coalesce(NEW.region, ''),
        NEW.first_seen_at IS NOT NULL AND NEW.gone_at IS NULL, NEW.gone_at IS NOT NULL, NEW.owned, specs,
        CASE WHEN specs > 0 THEN 'managed' WHEN NEW.first_seen_at IS NULL OR NEW.gone_at IS NOT NULL THEN 'other'
            WHEN NEW.owned THEN 'owned' ELSE 'unmanaged' END,
        (SELECT count(*) FROM cloud_drift WHERE resource_id = NEW.id AND status = 'open' AND kind = 'changed'),
        (SELECT count(*) FROM cloud_drift WHERE resource_id = NEW.id AND status = 'open' AND kind = 'missing')
    FROM (SELECT count(*) AS specs FROM cloud_provisioned WHERE resource_id = NEW.id AND retired_at IS NULL)
    WHERE true
    ON CONFLICT (resource_id) DO UPDATE SET
        provider = excluded.provider, kind = excluded.kind, region = excluded.region, present = excluded.present,
        gone = excluded.gone, owned = excluded.owned, specs = excluded.specs, class = excluded.class,
        open_changed = excluded.open_changed, open_missing = excluded.open_missing;
END;
CREATE TRIGGER delete_states AFTER DELETE ON cloud_resources BEGIN
    DELETE FROM resource_states WHERE resource_id = OLD.id;
END;
CREATE TRIGGER update_state
AFTER UPDATE OF id, provider, kind, region, first_seen_at, gone_at, owned ON cloud_resources
WHEN OLD.id <> NEW.id OR OLD.provider <> NEW.provider OR OLD.kind <> NEW.kind
    OR coalesce(OLD.region, '') <> coalesce(NEW.region, '') OR OLD.owned <> NEW.owned
    OR (OLD.first_seen_at IS NULL) <> (NEW.first_seen_at IS NULL) OR (OLD.gone_at IS NULL) <> (NEW.gone_at IS NULL)
BEGIN
    UPDATE resource_states SET
        resource_id = NEW.id, provider = NEW.provider, kind = NEW.kind, region = coalesce(NEW.region, ''),
        present = NEW.first_seen_at IS NOT NULL AND NEW.gone_at IS NULL, gone = NEW.gone_at IS NOT NULL,
        owned = NEW.owned,
        class = CASE WHEN specs > 0 THEN 'managed'
            WHEN NEW.first_seen_at IS NULL OR NEW.gone_at IS NOT NULL THEN 'other'
            WHEN NEW.owned THEN 'owned' ELSE 'unmanaged' END
    WHERE resource_id = OLD.id;
END;

-- Drifts are counted under the provider, kind and region of their resource's state. A drift without a resource, which
-- other programs can leave behind when they do not enforce foreign keys, is counted under empty texts.
CREATE TRIGGER adopt_drifts AFTER INSERT ON resource_states BEGIN
    INSERT INTO drift_totals (level, status, drift_kind, field, provider, kind, region, n)
    SELECT 1, status, kind, field, '', '', '', -count(*)
    FROM cloud_drift WHERE resource_id = NEW.resource_id GROUP BY status, kind, field
    ON CONFLICT (level, status, drift_kind, field, provider, kind, region) DO UPDATE SET n = n + excluded.n;
    INSERT INTO drift_totals (level, status, drift_kind, field, provider, kind, region, n)
    SELECT 1, status, kind, field, NEW.provider, NEW.kind, NEW.region, count(*)
    FROM cloud_drift WHERE resource_id = NEW.resource_id GROUP BY status, kind, field
    ON CONFLICT (level, status, drift_kind, field, provider, kind, region) DO UPDATE SET n = n + excluded.n;
END;
CREATE TRIGGER orphan_drifts AFTER DELETE ON resource_states BEGIN
    INSERT INTO drift_totals (level, status, drift_kind, field, provider, kind, region, n)
    SELECT 1, status, kind, field, OLD.provider, OLD.kind, OLD.region, -count(*)
    FROM cloud_drift WHERE resource_id = OLD.resource_id GROUP BY status, kind, field
    ON CONFLICT (level, status, drift_kind, field, provider, kind, region) DO UPDATE SET n = n + excluded.n;
    INSERT INTO drift_totals (level, status, drift_kind, field, provider, kind, region, n)
    SELECT 1, status, kind, field, '', '', '', count(*)
    FROM cloud_drift WHERE resource_id = OLD.resource_id GROUP BY status, kind, field
    ON CONFLICT (level, status, drift_kind, field, provider, kind, region) DO UPDATE SET n = n + excluded.n;
END;
CREATE TRIGGER move_drifts AFTER UPDATE OF provider, kind, region ON resource_states
WHEN OLD.provider <> NEW.provider OR OLD.kind <> NEW.kind OR OLD.region <> NEW.region
BEGIN
    INSERT INTO drift_totals (level, status, drift_kind, field, provider, kind, region, n)
    SELECT 1, status, kind, field, OLD.provider, OLD.kind, OLD.region, -count(*)
    FROM cloud_drift WHERE resource_id = NEW.resource_id GROUP BY status, kind, field
    ON CONFLICT (level, status, drift_kind, field, provider, kind, region) DO UPDATE SET n = n + excluded.n;
    INSERT INTO drift_totals (level, status, drift_kind, field, provider, kind, region, n)
    SELECT 1, status, kind, field, NEW.provider, NEW.kind, NEW.region, count(*)
    FROM cloud_drift WHERE resource_id = NEW.resource_id GROUP BY status, kind, field
    ON CONFLICT (level, status, drift_kind, field, provider, kind, region) DO UPDATE SET n = n + excluded.n;
END;

-- cloud_provisioned: the number of specs in force.
CREATE TRIGGER count_specs_insert AFTER INSERT ON cloud_provisioned WHEN NEW.retired_at IS NULL BEGIN
    UPDATE resource_states SET specs = specs + 1, class = 'managed' WHERE resource_id = NEW.resource_id;
END;
CREATE TRIGGER count_specs_delete AFTER DELETE ON cloud_provisioned WHEN OLD.retired_at IS NULL BEGIN
    UPDATE resource_states SET specs = specs - 1,
        class = CASE WHEN specs > 1 THEN 'managed' WHEN NOT present THEN 'other' WHEN owned THEN 'owned'
            ELSE 'unmanaged' END
    WHERE resource_id = OLD.resource_id;
END;
CREATE TRIGGER count_specs_update AFTER UPDATE OF resource_id, retired_at ON cloud_provisioned
WHEN (OLD.retired_at IS NULL) <> (NEW.retired_at IS NULL) OR OLD.resource_id <> NEW.resource_id
BEGIN
    UPDATE resource_states SET specs = specs - (OLD.retired_at IS NULL),
        class = CASE WHEN specs - (OLD.retired_at IS NULL) > 0 THEN 'managed' WHEN NOT present THEN 'other'
            WHEN owned THEN 'owned' ELSE 'unmanaged' END
    WHERE resource_id = OLD.resource_id;
    UPDATE resource_states SET specs = specs + (NEW.retired_at IS NULL),
        class = CASE WHEN specs + (NEW.retired_at IS NULL) > 0 THEN 'managed' WHEN NOT present THEN 'other'
            WHEN owned THEN 'owned' ELSE 'unmanaged' END
    WHERE resource_id = NEW.resource_id;
END;
