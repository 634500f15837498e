-- The triggers of cloud_resources come first: creating them locks the table, so that no change is missed.

-- Updating no row would fire the triggers of cloud_drift, too. Therefore drifts are looked for first.
CREATE FUNCTION change_copies() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT
    SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off AS $$
BEGIN
    PERFORM 1 FROM cloud_drift WHERE resource_id = NEW.id ORDER BY detected_at LIMIT 1;
    IF FOUND THEN
        UPDATE cloud_drift SET resource_kind = NEW.kind, resource_region = NEW.region WHERE resource_id = NEW.id;
    END IF;
    IF OLD.id <> NEW.id THEN
        UPDATE cloud_drift SET resource_kind = NULL, resource_region = NULL WHERE resource_id = OLD.id;
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER change_copies AFTER UPDATE ON cloud_resources FOR EACH ROW
    WHEN (OLD.kind IS DISTINCT FROM NEW.kind OR OLD.region IS DISTINCT FROM NEW.region OR OLD.id <> NEW.id)
    EXECUTE FUNCTION change_copies();

-- Sessions that do not enforce foreign keys may write a drift before its resource, and delete a resource before its
-- drifts.
CREATE FUNCTION set_copies() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT
    SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off AS $$
BEGIN
    PERFORM 1 FROM changed AS c JOIN cloud_drift AS d ON d.resource_id = c.id LIMIT 1;
    IF FOUND THEN
        UPDATE cloud_drift AS d SET resource_kind = r.kind, resource_region = r.region
        FROM changed AS c LEFT JOIN cloud_resources AS r ON r.id = c.id
        WHERE d.resource_id = c.id AND (d.resource_kind, d.resource_region) IS DISTINCT FROM (r.kind, r.region);
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER set_copies_insert AFTER INSERT ON cloud_resources
    REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION set_copies();
CREATE TRIGGER set_copies_delete AFTER DELETE ON cloud_resources
    REFERENCING OLD TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION set_copies();
ALTER TABLE cloud_resources
    ENABLE ALWAYS TRIGGER change_copies, ENABLE ALWAYS TRIGGER set_copies_insert,
    ENABLE ALWAYS TRIGGER set_copies_delete;

-- The columns are compared by bytes, which is fastest in an index.
ALTER TABLE cloud_drift
    ADD COLUMN resource_kind varchar COLLATE pg_catalog."C",
    ADD COLUMN resource_region varchar COLLATE pg_catalog."C";

-- Fills the columns by writing the table anew: an update of all rows would fire triggers and double the table.
CREATE FUNCTION kind_of_resource(uuid) RETURNS varchar LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN (SELECT kind FROM cloud_resources WHERE id = $1);
END $$;
CREATE FUNCTION region_of_resource(uuid) RETURNS varchar LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN (SELECT region FROM cloud_resources WHERE id = $1);
END $$;
ALTER TABLE cloud_drift
    ALTER COLUMN resource_kind TYPE varchar COLLATE pg_catalog."C" USING kind_of_resource(resource_id),
    ALTER COLUMN resource_region TYPE varchar COLLATE pg_catalog."C" USING region_of_resource(resource_id);
DROP FUNCTION kind_of_resource(uuid);
DROP FUNCTION region_of_resource(uuid);

-- The lock waits for a transaction that changes the resource: its trigger does not see the new drift.
CREATE FUNCTION copy_kind_and_region() RETURNS trigger LANGUAGE plpgsql
    SECURITY DEFINER SET search_path FROM CURRENT SET enable_seqscan = off AS $$
BEGIN
    SELECT kind, region INTO NEW.resource_kind, NEW.resource_region
    FROM cloud_resources WHERE id = NEW.resource_id FOR SHARE;
    RETURN NEW;
END $$;
-- A sweep has locked the resources and sets the columns itself, which costs less than a call for each row. A sweep of
-- the previous release does not set them.
CREATE TRIGGER copy_kind_and_region_insert BEFORE INSERT ON cloud_drift FOR EACH ROW
    WHEN (NEW.resource_kind IS NULL OR current_setting('drift_inbox.sweeping', true) IS DISTINCT FROM 'on')
    EXECUTE FUNCTION copy_kind_and_region();
CREATE TRIGGER copy_kind_and_region_update BEFORE UPDATE OF resource_id ON cloud_drift FOR EACH ROW
    WHEN (OLD.resource_id <> NEW.resource_id) EXECUTE FUNCTION copy_kind_and_region();
ALTER TABLE cloud_drift
    ENABLE ALWAYS TRIGGER copy_kind_and_region_insert, ENABLE ALWAYS TRIGGER copy_kind_and_region_update;
