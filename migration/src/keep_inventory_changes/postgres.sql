-- A change is already kept if it has a row of the same time. The first listing of a kind is where the record begins: its
-- resources did not appear.
CREATE FUNCTION keep_changes_of_events() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT
    SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off AS $$
BEGIN
    INSERT INTO inventory_changes (id, resource_id, provider, kind, region, source, type, field, has_values, seen_at)
    SELECT gen_random_uuid(), e.resource_id, r.provider, r.kind, r.region, r.source,
        CASE WHEN e.type = 'resource_changed' THEN 'changed' WHEN e.type = 'resource_gone' THEN 'gone'
            WHEN r.first_seen_at < e.occurred_at THEN 'returned' ELSE 'appeared' END,
        coalesce(f.field, '*'), false, e.occurred_at
    FROM added AS e JOIN cloud_resources AS r ON r.id = e.resource_id
    LEFT JOIN LATERAL (SELECT regexp_replace(n.name, '^attrs\.', '') AS field
        FROM jsonb_array_elements_text(CASE WHEN jsonb_typeof(e.data -> 'fields') = 'array' THEN e.data -> 'fields'
            ELSE '[]' END) AS n (name)
        WHERE n.name NOT IN ('urn', 'settling', 'owned')) AS f ON e.type = 'resource_changed'
    WHERE e.type IN ('resource_discovered', 'resource_changed', 'resource_gone')
        AND (e.type <> 'resource_changed' OR f.field IS NOT NULL)
        AND NOT EXISTS (SELECT 1 FROM inventory_changes AS c
            WHERE c.resource_id = e.resource_id AND c.seen_at = e.occurred_at)
        AND EXISTS (SELECT 1 FROM inventory_kinds AS k WHERE k.source = r.source AND k.provider = r.provider
            AND k.kind = r.kind AND k.completed_at IS NOT NULL);
    RETURN NULL;
END $$;
CREATE TRIGGER keep_changes_of_events AFTER INSERT ON cloud_resource_events
    REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION keep_changes_of_events();

CREATE FUNCTION forget_inventory_changes() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT
    SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off AS $$
BEGIN
    DELETE FROM inventory_changes AS c USING before AS b WHERE c.resource_id = b.id;
    RETURN NULL;
END $$;
CREATE TRIGGER forget_inventory_changes AFTER DELETE ON cloud_resources
    REFERENCING OLD TABLE AS before FOR EACH STATEMENT EXECUTE FUNCTION forget_inventory_changes();

ALTER TABLE cloud_resource_events ENABLE ALWAYS TRIGGER keep_changes_of_events;
ALTER TABLE cloud_resources ENABLE ALWAYS TRIGGER forget_inventory_changes;

INSERT INTO upkeep (task, started_at) VALUES ('changes since', clock_timestamp());
