CREATE OR REPLACE FUNCTION insert_resource_states() RETURNS trigger LANGUAGE plpgsql
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
DROP TRIGGER count_forgotten_insert ON forgotten_resources;
DROP TRIGGER count_forgotten_delete ON forgotten_resources;
DROP TRIGGER forget_forgotten ON forgotten_resources;
DROP TRIGGER count_job_runs_insert ON job_runs;
DROP TRIGGER count_job_runs_delete ON job_runs;
DROP TRIGGER count_job_runs_update ON job_runs;
DROP TRIGGER forget_job_runs ON job_runs;
DROP FUNCTION count_forgotten;
DROP FUNCTION count_job_runs;
DROP FUNCTION recount_job_run;
DROP FUNCTION forget_rows;
DROP FUNCTION add_to_row_totals;
