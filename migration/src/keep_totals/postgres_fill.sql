-- Runs after the triggers exist: the trigger on resource_states fills resource_totals.
INSERT INTO resource_states
    (resource_id, provider, kind, region, present, gone, owned, specs, class, open_changed, open_missing)
SELECT r.id, r.provider, r.kind, coalesce(r.region, ''), r.first_seen_at IS NOT NULL AND r.gone_at IS NULL,
    r.gone_at IS NOT NULL, r.owned, coalesce(s.n, 0),
    resource_class(coalesce(s.n, 0)::integer, r.first_seen_at IS NOT NULL AND r.gone_at IS NULL, r.owned),
    coalesce(d.changed, 0), coalesce(d.missing, 0)
FROM cloud_resources AS r
LEFT JOIN (SELECT resource_id, count(*) AS n FROM cloud_provisioned WHERE retired_at IS NULL GROUP BY 1) AS s
    ON s.resource_id = r.id
LEFT JOIN (
    SELECT resource_id, count(*) FILTER (WHERE kind = 'changed') AS changed,
        count(*) FILTER (WHERE kind = 'missing') AS missing
    FROM cloud_drift WHERE status = 'open' GROUP BY 1) AS d ON d.resource_id = r.id;
INSERT INTO drift_totals (level, status, drift_kind, field, provider, kind, region, n)
SELECT 1, d.status, d.kind, d.field, s.provider, s.kind, s.region, count(*)
FROM cloud_drift AS d JOIN resource_states AS s ON s.resource_id = d.resource_id GROUP BY 2, 3, 4, 5, 6, 7;
INSERT INTO drift_totals (level, status, drift_kind, field, provider, kind, region, n)
SELECT 0, status, '', '', '', '', '', sum(n) FROM drift_totals WHERE level = 1 GROUP BY status;
