ALTER TABLE drift_totals SET (fillfactor = 50);
ALTER TABLE resource_totals SET (fillfactor = 50);

-- Adds to one row of drift_totals. If other transactions have locked the rows of this key, a new row is inserted:
-- writers neither wait for each other nor deadlock, and the sum of the rows is exact.
CREATE FUNCTION add_to_drift_totals(
    of_level integer, of_status text, of_drift_kind text, of_field text,
    of_provider text, of_kind text, of_region text, delta bigint
) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    unlocked bigint;
BEGIN
    -- At the other isolation levels, a row that has changed since the snapshot cannot be updated.
    IF current_setting('transaction_isolation') IN ('read committed', 'read uncommitted') THEN
        SELECT id INTO unlocked FROM drift_totals
        WHERE level = of_level AND status = of_status AND drift_kind = of_drift_kind AND field = of_field
            AND provider = of_provider AND kind = of_kind AND region = of_region
        LIMIT 1 FOR UPDATE SKIP LOCKED;
        IF FOUND THEN
            UPDATE drift_totals SET n = n + delta WHERE id = unlocked;
            RETURN;
        END IF;
    END IF;
    INSERT INTO drift_totals (level, status, drift_kind, field, provider, kind, region, n)
    VALUES (of_level, of_status, of_drift_kind, of_field, of_provider, of_kind, of_region, delta);
END $$;

CREATE FUNCTION add_to_resource_totals(
    of_provider text, of_kind text, of_region text, of_class text,
    of_gone boolean, of_changed boolean, of_missing boolean, delta bigint
) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    unlocked bigint;
BEGIN
    IF current_setting('transaction_isolation') IN ('read committed', 'read uncommitted') THEN
        SELECT id INTO unlocked FROM resource_totals
        WHERE provider = of_provider AND kind = of_kind AND region = of_region AND class = of_class
            AND gone = of_gone AND changed = of_changed AND missing = of_missing
        LIMIT 1 FOR UPDATE SKIP LOCKED;
        IF FOUND THEN
            UPDATE resource_totals SET n = n + delta WHERE id = unlocked;
            RETURN;
        END IF;
    END IF;
    INSERT INTO resource_totals (provider, kind, region, class, gone, changed, missing, n)
    VALUES (of_provider, of_kind, of_region, of_class, of_gone, of_changed, of_missing, delta);
END $$;

CREATE FUNCTION resource_class(specs integer, present boolean, owned boolean) RETURNS text
LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE WHEN specs > 0 THEN 'managed' WHEN NOT present THEN 'other' WHEN owned THEN 'owned' ELSE 'unmanaged' END
$$;

CREATE FUNCTION insert_resource_states() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO resource_states
        (resource_id, provider, kind, region, present, gone, owned, specs, class, open_changed, open_missing)
    SELECT id, provider, kind, coalesce(region, ''), first_seen_at IS NOT NULL AND gone_at IS NULL,
        gone_at IS NOT NULL, owned, 0,
        resource_class(0, first_seen_at IS NOT NULL AND gone_at IS NULL, owned), 0, 0
    FROM new_rows ORDER BY id;
    RETURN NULL;
END $$;
CREATE TRIGGER insert_states AFTER INSERT ON cloud_resources
    REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION insert_resource_states();

CREATE FUNCTION delete_resource_states() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM resource_states WHERE resource_id IN (SELECT id FROM old_rows);
    RETURN NULL;
END $$;
CREATE TRIGGER delete_states AFTER DELETE ON cloud_resources
    REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION delete_resource_states();

-- For each row and with a condition, so that the usual change of a resource costs nothing. Updating the state first
-- waits for transactions that change drifts of the resource; the next statement then reads their drifts.
CREATE FUNCTION update_resource_state() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    r record;
BEGIN
    UPDATE resource_states SET
        resource_id = NEW.id, provider = NEW.provider, kind = NEW.kind, region = coalesce(NEW.region, ''),
        present = NEW.first_seen_at IS NOT NULL AND NEW.gone_at IS NULL, gone = NEW.gone_at IS NOT NULL,
        owned = NEW.owned,
        class = resource_class(specs, NEW.first_seen_at IS NOT NULL AND NEW.gone_at IS NULL, NEW.owned)
    WHERE resource_id = OLD.id;
    IF (OLD.provider, OLD.kind, coalesce(OLD.region, '')) <> (NEW.provider, NEW.kind, coalesce(NEW.region, '')) THEN
        FOR r IN
            SELECT status, kind, field, count(*) AS n FROM cloud_drift WHERE resource_id = NEW.id GROUP BY 1, 2, 3
        LOOP
            PERFORM add_to_drift_totals(1, r.status, r.kind, r.field,
                OLD.provider, OLD.kind, coalesce(OLD.region, ''), -r.n);
            PERFORM add_to_drift_totals(1, r.status, r.kind, r.field,
                NEW.provider, NEW.kind, coalesce(NEW.region, ''), r.n);
        END LOOP;
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER update_state
    AFTER UPDATE OF id, provider, kind, region, first_seen_at, gone_at, owned ON cloud_resources
    FOR EACH ROW
    WHEN (OLD.id <> NEW.id OR OLD.provider <> NEW.provider OR OLD.kind <> NEW.kind
        OR coalesce(OLD.region, '') <> coalesce(NEW.region, '') OR OLD.owned <> NEW.owned
        OR (OLD.first_seen_at IS NULL) <> (NEW.first_seen_at IS NULL)
        OR (OLD.gone_at IS NULL) <> (NEW.gone_at IS NULL))
    EXECUTE FUNCTION update_resource_state();

-- TRUNCATE fires no other trigger.
CREATE FUNCTION forget_resource_states() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM resource_states;
    RETURN NULL;
END $$;
CREATE TRIGGER forget_states AFTER TRUNCATE ON cloud_resources
    FOR EACH STATEMENT EXECUTE FUNCTION forget_resource_states();
CREATE FUNCTION forget_specs() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE resource_states SET specs = 0, class = resource_class(0, present, owned) WHERE specs <> 0;
    RETURN NULL;
END $$;
CREATE TRIGGER forget_specs AFTER TRUNCATE ON cloud_provisioned
    FOR EACH STATEMENT EXECUTE FUNCTION forget_specs();
CREATE FUNCTION forget_drifts() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM drift_totals;
    UPDATE resource_states SET open_changed = 0, open_missing = 0 WHERE open_changed <> 0 OR open_missing <> 0;
    RETURN NULL;
END $$;
CREATE TRIGGER forget_drifts AFTER TRUNCATE ON cloud_drift
    FOR EACH STATEMENT EXECUTE FUNCTION forget_drifts();
