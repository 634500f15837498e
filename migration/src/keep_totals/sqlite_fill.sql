-- Runs after the triggers exist: the trigger on resource_states fills resource_totals.
INSERT INTO resource_states
    (resource_id, provider, kind, region, present, gone, owned, specs, class, open_changed, open_missing)
SELECT id, provider, kind, coalesce(region, ''), first_seen_at IS NOT NULL AND gone_at IS NULL, gone_at IS NOT NULL,
    owned, specs,
    CASE WHEN specs > 0 THEN 'managed' WHEN first_seen_at IS NULL OR gone_at IS NOT NULL THEN 'other'
        WHEN owned THEN 'owned' ELSE 'unmanaged' END,
    changed, missing
FROM (
    SELECT r.*,
        (SELECT count(*) FROM cloud_provisioned AS s WHERE s.resource_id = r.id AND s.retired_at IS NULL) AS specs,
        (SELECT count(*) FROM cloud_drift AS d
            WHERE d.resource_id = r.id AND d.status = 'open' AND d.kind = 'changed') AS changed,
        (SELECT count(*) FROM cloud_drift AS d
            WHERE d.resource_id = r.id AND d.status = 'open' AND d.kind = 'missing') AS missing
    FROM cloud_resources AS r);
DELETE FROM drift_totals;
INSERT INTO drift_totals (level, status, drift_kind, field, provider, kind, region, n)
SELECT 1, d.status, d.kind, d.field, coalesce(s.provider, ''), coalesce(s.kind, ''), coalesce(s.region, ''), count(*)
FROM cloud_drift AS d LEFT JOIN resource_states AS s ON s.resource_id = d.resource_id GROUP BY 2, 3, 4, 5, 6, 7;
INSERT INTO drift_totals (level, status, drift_kind, field, provider, kind, region, n)
SELECT 0, status, '', '', '', '', '', sum(n) FROM drift_totals WHERE level = 1 GROUP BY status;
