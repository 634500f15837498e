-- One statement for all rows of an import. A session keeps the plan of the join, which it may have made for one row: with
-- nested loops, a statement on many rows would take quadratic time. A change of the address alone is no new version.
CREATE FUNCTION keep_spec_versions() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT
    SET enable_nestloop = off AS $$
BEGIN
    INSERT INTO spec_versions (resource_id, spec_version, spec, not_compared, source, address, recorded_by, recorded_at,
        retired_at, superseded_at)
    SELECT b.resource_id, b.spec_version, b.spec, b.not_compared, b.source, b.address, b.recorded_by, b.recorded_at,
        b.retired_at,
        CASE WHEN a.recorded_at IS DISTINCT FROM b.recorded_at THEN a.recorded_at ELSE clock_timestamp() END
    FROM before AS b JOIN after AS a ON a.id = b.id
    WHERE (b.resource_id, b.spec_version, b.spec, b.not_compared, b.source, b.recorded_by, b.recorded_at, b.retired_at)
        IS DISTINCT FROM
        (a.resource_id, a.spec_version, a.spec, a.not_compared, a.source, a.recorded_by, a.recorded_at, a.retired_at);
    RETURN NULL;
END $$;
CREATE TRIGGER keep_spec_versions AFTER UPDATE ON cloud_provisioned
    REFERENCING OLD TABLE AS before NEW TABLE AS after FOR EACH STATEMENT EXECUTE FUNCTION keep_spec_versions();

CREATE FUNCTION forget_spec_versions() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT
    SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off AS $$
BEGIN
    DELETE FROM spec_versions AS v USING before AS b WHERE v.resource_id = b.id;
    DELETE FROM spec_reasons AS r USING before AS b WHERE r.resource_id = b.id;
    RETURN NULL;
END $$;
CREATE TRIGGER forget_spec_versions AFTER DELETE ON cloud_resources
    REFERENCING OLD TABLE AS before FOR EACH STATEMENT EXECUTE FUNCTION forget_spec_versions();

ALTER TABLE cloud_provisioned ENABLE ALWAYS TRIGGER keep_spec_versions;
ALTER TABLE cloud_resources ENABLE ALWAYS TRIGGER forget_spec_versions;
