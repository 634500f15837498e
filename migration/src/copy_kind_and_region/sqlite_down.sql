DROP TRIGGER copy_kind_and_region_insert;
DROP TRIGGER copy_kind_and_region_update;
DROP TRIGGER change_copies;
DROP TRIGGER set_copies_insert;
DROP TRIGGER set_copies_delete;
DROP TRIGGER mark_cloud_drift_update;
CREATE TRIGGER mark_cloud_drift_update AFTER UPDATE ON cloud_drift FOR EACH ROW BEGIN
    INSERT INTO sweep_marks (resource_id) SELECT NEW.resource_id WHERE NEW.status = 'open';
    INSERT INTO sweep_marks (resource_id) SELECT OLD.resource_id
    WHERE OLD.status = 'open' AND NOT (OLD.resource_id IS NEW.resource_id AND NEW.status = 'open');
END;
ALTER TABLE cloud_drift DROP COLUMN resource_kind;
ALTER TABLE cloud_drift DROP COLUMN resource_region;
