ALTER TABLE cloud_drift ADD COLUMN resource_kind varchar;
ALTER TABLE cloud_drift ADD COLUMN resource_region varchar;

-- A change of only these columns needs no comparison. Before, any column was meant.
DROP TRIGGER mark_cloud_drift_update;
CREATE TRIGGER mark_cloud_drift_update
AFTER UPDATE OF id, resource_id, kind, field, expected, actual, revision, status, detected_at, resolved_at, resolved_by,
    resolution_note ON cloud_drift
BEGIN
    INSERT INTO sweep_marks (resource_id) SELECT NEW.resource_id WHERE NEW.status = 'open';
    INSERT INTO sweep_marks (resource_id) SELECT OLD.resource_id
    WHERE OLD.status = 'open' AND NOT (OLD.resource_id IS NEW.resource_id AND NEW.status = 'open');
END;

UPDATE cloud_drift SET (resource_kind, resource_region) =
    (SELECT r.kind, r.region FROM cloud_resources AS r WHERE r.id = cloud_drift.resource_id);

CREATE TRIGGER copy_kind_and_region_insert AFTER INSERT ON cloud_drift
WHEN NEW.resource_kind IS NOT (SELECT kind FROM cloud_resources WHERE id = NEW.resource_id)
    OR NEW.resource_region IS NOT (SELECT region FROM cloud_resources WHERE id = NEW.resource_id)
BEGIN
    UPDATE cloud_drift SET (resource_kind, resource_region) =
        (SELECT r.kind, r.region FROM cloud_resources AS r WHERE r.id = NEW.resource_id)
    WHERE rowid = NEW.rowid;
END;
CREATE TRIGGER copy_kind_and_region_update AFTER UPDATE OF resource_id ON cloud_drift
WHEN OLD.resource_id IS NOT NEW.resource_id
BEGIN
    UPDATE cloud_drift SET (resource_kind, resource_region) =
        (SELECT r.kind, r.region FROM cloud_resources AS r WHERE r.id = NEW.resource_id)
    WHERE rowid = NEW.rowid;
END;
CREATE TRIGGER change_copies AFTER UPDATE OF id, kind, region ON cloud_resources
WHEN OLD.id IS NOT NEW.id OR OLD.kind IS NOT NEW.kind OR OLD.region IS NOT NEW.region
BEGIN
    UPDATE cloud_drift SET resource_kind = NULL, resource_region = NULL
    WHERE resource_id = OLD.id AND OLD.id IS NOT NEW.id;
    UPDATE cloud_drift SET resource_kind = NEW.kind, resource_region = NEW.region WHERE resource_id = NEW.id;
END;

-- Connections that do not enforce foreign keys may write a drift before its resource, and delete a resource before its
-- drifts.
CREATE TRIGGER set_copies_insert AFTER INSERT ON cloud_resources BEGIN
    UPDATE cloud_drift SET resource_kind = NEW.kind, resource_region = NEW.region WHERE resource_id = NEW.id;
END;
CREATE TRIGGER set_copies_delete AFTER DELETE ON cloud_resources BEGIN
    UPDATE cloud_drift SET resource_kind = NULL, resource_region = NULL WHERE resource_id = OLD.id;
END;
