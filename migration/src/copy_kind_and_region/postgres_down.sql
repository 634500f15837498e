DROP FUNCTION copy_kind_and_region() CASCADE;
DROP FUNCTION change_copies() CASCADE;
DROP FUNCTION set_copies() CASCADE;
ALTER TABLE cloud_drift DROP COLUMN resource_kind, DROP COLUMN resource_region;
