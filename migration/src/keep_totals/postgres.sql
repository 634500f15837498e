ALTER TABLE drift_totals SET (fillfactor = 50);
ALTER TABLE resource_totals SET (fillfactor = 50);

-- The functions run with the rights and the search path of their owner, because other programs may have neither rights
-- on these tables nor the same path. A session keeps the plans of a function. Functions that find rows by ids must not
-- read a whole table only because it was empty when the plan was made. Therefore they use nested loops over indexes.

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

CREATE FUNCTION insert_resource_states() RETURNS trigger LANGUAGE plpgsql
    SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
    INSERT INTO resource_states
        (resource_id, provider, kind, region, present, gone, owned, specs, class, open_changed, open_missing)
    SELECT id, provider, kind, coalesce(region, ''), first_seen_at IS NOT NULL AND gone_at IS NULL,
        gone_at IS NOT NULL, owned, 0,
        resource_class(0, first_seen_at IS NOT NULL AND gone_at IS NULL, owned), 0, 0
    FROM new_rows ORDER BY id
    ON CONFLICT (resource_id) DO NOTHING;
    RETURN NULL;
END $$;
CREATE TRIGGER insert_states AFTER INSERT ON cloud_resources
    REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION insert_resource_states();

CREATE FUNCTION delete_resource_states() RETURNS trigger LANGUAGE plpgsql
    SECURITY DEFINER SET search_path FROM CURRENT
    SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off AS $$
BEGIN
    DELETE FROM resource_states WHERE resource_id IN (SELECT id FROM old_rows);
    RETURN NULL;
END $$;
CREATE TRIGGER delete_states AFTER DELETE ON cloud_resources
    REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION delete_resource_states();

-- Updating the states first waits for transactions that change drifts of the resources; the next statement then reads
-- these drifts.
CREATE FUNCTION update_states_of(changed uuid[], before jsonb) RETURNS void LANGUAGE plpgsql
    SECURITY DEFINER SET search_path FROM CURRENT
    SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off AS $$
DECLARE
    r record;
BEGIN
    PERFORM 1 FROM resource_states WHERE resource_id = ANY (changed) ORDER BY resource_id FOR UPDATE;
    UPDATE resource_states AS s SET
        provider = live.provider, kind = live.kind, region = coalesce(live.region, ''),
        present = live.first_seen_at IS NOT NULL AND live.gone_at IS NULL, gone = live.gone_at IS NOT NULL,
        owned = live.owned,
        class = resource_class(s.specs, live.first_seen_at IS NOT NULL AND live.gone_at IS NULL, live.owned)
    FROM unnest(changed) AS c (id) JOIN cloud_resources AS live ON live.id = c.id
    WHERE s.resource_id = c.id;
    FOR r IN
        SELECT d.status, d.kind AS drift_kind, d.field, b.provider, b.kind, b.region, s.provider AS new_provider,
            s.kind AS new_kind, s.region AS new_region, count(*) AS n
        FROM jsonb_to_recordset(before) AS b (id uuid, provider text, kind text, region text)
        JOIN resource_states AS s ON s.resource_id = b.id
        JOIN cloud_drift AS d ON d.resource_id = b.id
        GROUP BY 1, 2, 3, 4, 5, 6, 7, 8, 9
    LOOP
        PERFORM add_to_drift_totals(1, r.status, r.drift_kind, r.field, r.provider, r.kind, r.region, -r.n);
        PERFORM add_to_drift_totals(1, r.status, r.drift_kind, r.field, r.new_provider, r.new_kind, r.new_region, r.n);
    END LOOP;
END $$;

-- Only few updates of resources change a column that the state has. The rows before and after are joined by hash: a
-- plan that was made for one row must not compare each row with each other.
CREATE FUNCTION update_resource_states() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT
    SET enable_nestloop = off AS $$
DECLARE
    changed uuid[];
    moved jsonb;
BEGIN
    SELECT array_agg(o.id), jsonb_agg(jsonb_build_object(
            'id', o.id, 'provider', o.provider, 'kind', o.kind, 'region', coalesce(o.region, '')))
        FILTER (WHERE (o.provider, o.kind, coalesce(o.region, '')) <> (n.provider, n.kind, coalesce(n.region, '')))
    INTO changed, moved
    FROM old_rows AS o JOIN new_rows AS n ON n.id = o.id
    WHERE o.provider <> n.provider OR o.kind <> n.kind OR coalesce(o.region, '') <> coalesce(n.region, '')
        OR o.owned <> n.owned OR (o.first_seen_at IS NULL) <> (n.first_seen_at IS NULL)
        OR (o.gone_at IS NULL) <> (n.gone_at IS NULL);
    IF changed IS NOT NULL THEN
        PERFORM update_states_of(changed, coalesce(moved, '[]'));
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER update_states AFTER UPDATE ON cloud_resources
    REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION update_resource_states();

-- A resource without specs and drifts may get another id.
CREATE FUNCTION rename_resource_state() RETURNS trigger LANGUAGE plpgsql
    SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
    UPDATE resource_states SET resource_id = NEW.id WHERE resource_id = OLD.id;
    RETURN NULL;
END $$;
CREATE TRIGGER rename_state AFTER UPDATE OF id ON cloud_resources FOR EACH ROW WHEN (OLD.id <> NEW.id)
    EXECUTE FUNCTION rename_resource_state();

-- TRUNCATE fires no other trigger.
CREATE FUNCTION forget_resource_states() RETURNS trigger LANGUAGE plpgsql
    SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
    DELETE FROM resource_states;
    RETURN NULL;
END $$;
CREATE TRIGGER forget_states AFTER TRUNCATE ON cloud_resources
    FOR EACH STATEMENT EXECUTE FUNCTION forget_resource_states();
CREATE FUNCTION forget_specs() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
    UPDATE resource_states SET specs = 0, class = resource_class(0, present, owned) WHERE specs <> 0;
    RETURN NULL;
END $$;
CREATE TRIGGER forget_specs AFTER TRUNCATE ON cloud_provisioned
    FOR EACH STATEMENT EXECUTE FUNCTION forget_specs();
CREATE FUNCTION forget_drifts() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
    DELETE FROM drift_totals;
    UPDATE resource_states SET open_changed = 0, open_missing = 0 WHERE open_changed <> 0 OR open_missing <> 0;
    RETURN NULL;
END $$;
CREATE TRIGGER forget_drifts AFTER TRUNCATE ON cloud_drift
    FOR EACH STATEMENT EXECUTE FUNCTION forget_drifts();
