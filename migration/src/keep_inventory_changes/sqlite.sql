-- A change is already kept if it has a row of the same time. The first listing of a kind is where the record begins: its
-- resources did not appear.
CREATE TRIGGER keep_changes_of_events AFTER INSERT ON cloud_resource_events
WHEN NEW.type IN ('resource_discovered', 'resource_changed', 'resource_gone')
    AND NOT EXISTS (SELECT 1 FROM inventory_changes AS c
        WHERE c.resource_id = NEW.resource_id AND c.seen_at = NEW.occurred_at)
BEGIN
    INSERT INTO inventory_changes (id, resource_id, provider, kind, region, source, type, field, has_values, seen_at)
    SELECT randomblob(16), NEW.resource_id, r.provider, r.kind, r.region, r.source,
        CASE WHEN NEW.type = 'resource_gone' THEN 'gone' WHEN r.first_seen_at < NEW.occurred_at THEN 'returned'
            ELSE 'appeared' END,
        '*', 0, NEW.occurred_at
    FROM cloud_resources AS r WHERE r.id = NEW.resource_id AND NEW.type <> 'resource_changed'
        AND EXISTS (SELECT 1 FROM inventory_kinds AS k WHERE k.source = r.source AND k.provider = r.provider
            AND k.kind = r.kind AND k.completed_at IS NOT NULL);
    INSERT INTO inventory_changes (id, resource_id, provider, kind, region, source, type, field, has_values, seen_at)
    SELECT randomblob(16), NEW.resource_id, r.provider, r.kind, r.region, r.source, 'changed',
        CASE WHEN f.value LIKE 'attrs.%' THEN substr(f.value, 7) ELSE f.value END, 0, NEW.occurred_at
    FROM cloud_resources AS r, json_each(NEW.data, '$.fields') AS f
    WHERE r.id = NEW.resource_id AND NEW.type = 'resource_changed' AND f.value NOT IN ('urn', 'settling', 'owned')
        AND EXISTS (SELECT 1 FROM inventory_kinds AS k WHERE k.source = r.source AND k.provider = r.provider
            AND k.kind = r.kind AND k.completed_at IS NOT NULL);
END;
CREATE TRIGGER forget_inventory_changes AFTER DELETE ON cloud_resources
BEGIN
    DELETE FROM inventory_changes WHERE resource_id = OLD.id;
END;

INSERT INTO upkeep (task, started_at) VALUES ('changes since', strftime('%Y-%m-%dT%H:%M:%f+00:00', 'now'));
