-- Applied for the new row with sign 1 (after INSERT and UPDATE) and for the old row with sign -1 (after UPDATE and
-- DELETE). {row} is NEW or OLD, {sign} is 1 or -1.
    INSERT INTO drift_totals (level, status, drift_kind, field, provider, kind, region, n)
    SELECT 1, {row}.status, {row}.kind, {row}.field, coalesce(s.provider, ''), coalesce(s.kind, ''),
        coalesce(s.region, ''), {sign}
    FROM (SELECT 1) LEFT JOIN resource_states AS s ON s.resource_id = {row}.resource_id WHERE true
    ON CONFLICT (level, status, drift_kind, field, provider, kind, region) DO UPDATE SET n = n + excluded.n;
    INSERT INTO drift_totals (level, status, drift_kind, field, provider, kind, region, n)
    VALUES (0, {row}.status, '', '', '', '', '', {sign})
    ON CONFLICT (level, status, drift_kind, field, provider, kind, region) DO UPDATE SET n = n + excluded.n;
    UPDATE resource_states
    SET open_changed = open_changed + {sign} * ({row}.kind = 'changed'),
        open_missing = open_missing + {sign} * ({row}.kind = 'missing')
    WHERE resource_id = {row}.resource_id AND {row}.status = 'open';
