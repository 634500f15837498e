-- A change of the address alone is no new version.
CREATE TRIGGER keep_spec_versions AFTER UPDATE ON cloud_provisioned
WHEN OLD.resource_id IS NOT NEW.resource_id OR OLD.spec_version IS NOT NEW.spec_version OR OLD.spec IS NOT NEW.spec
    OR OLD.not_compared IS NOT NEW.not_compared OR OLD.source IS NOT NEW.source
    OR OLD.recorded_by IS NOT NEW.recorded_by OR OLD.recorded_at IS NOT NEW.recorded_at
    OR OLD.retired_at IS NOT NEW.retired_at
BEGIN
    INSERT INTO spec_versions (resource_id, spec_version, spec, not_compared, source, address, recorded_by, recorded_at,
        retired_at, superseded_at)
    VALUES (OLD.resource_id, OLD.spec_version, OLD.spec, OLD.not_compared, OLD.source, OLD.address, OLD.recorded_by,
        OLD.recorded_at, OLD.retired_at,
        CASE WHEN OLD.recorded_at IS NOT NEW.recorded_at THEN NEW.recorded_at
            ELSE strftime('%Y-%m-%dT%H:%M:%f+00:00', 'now') END);
END;
CREATE TRIGGER forget_spec_versions AFTER DELETE ON cloud_resources
BEGIN
    DELETE FROM spec_versions WHERE resource_id = OLD.id;
    DELETE FROM spec_reasons WHERE resource_id = OLD.id;
END;
