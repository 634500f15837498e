CREATE TRIGGER notify_of_event AFTER INSERT ON cloud_resource_events FOR EACH ROW
    WHEN NEW.type IN ('drift_detected', 'drift_changed', 'drift_accepted', 'drift_stale', 'drift_reverted', 'accept_undone')
        AND EXISTS (SELECT 1 FROM notification_targets WHERE enabled AND kind <> 'heartbeat')
BEGIN
    INSERT INTO notification_outbox (type, resource_id, actor, data, occurred_at)
    VALUES (NEW.type, NEW.resource_id, NEW.actor, NEW.data, NEW.occurred_at);
END;
CREATE TRIGGER notify_of_sweep AFTER UPDATE ON job_runs FOR EACH ROW
    WHEN NEW.job = 'detect_drift' AND NOT NEW.narrowed AND NEW.outcome = 'succeeded'
        AND OLD.outcome IS NULL AND NEW.finished_at IS NOT NULL
        AND EXISTS (SELECT 1 FROM notification_targets WHERE enabled AND kind = 'heartbeat')
BEGIN
    INSERT INTO notification_outbox (type, data, occurred_at)
    VALUES ('sweep_succeeded', json_object('run', hex(NEW.id)), NEW.finished_at);
END;
