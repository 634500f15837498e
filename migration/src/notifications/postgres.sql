-- The functions run with the rights of their owner, because other programs may have none on the outbox.
CREATE FUNCTION notify_of_event() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT
AS $$ BEGIN
    IF EXISTS (SELECT 1 FROM notification_targets WHERE enabled AND kind <> 'heartbeat') THEN
        INSERT INTO notification_outbox (type, resource_id, actor, data, occurred_at)
        SELECT type, resource_id, actor, data, occurred_at FROM after
        WHERE type IN ('drift_detected', 'drift_changed', 'drift_accepted', 'drift_stale', 'drift_reverted', 'accept_undone')
        ORDER BY occurred_at, id;
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER notify_of_event AFTER INSERT ON cloud_resource_events REFERENCING NEW TABLE AS after
    FOR EACH STATEMENT EXECUTE FUNCTION notify_of_event();

CREATE FUNCTION notify_of_sweep() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT
AS $$ BEGIN
    IF EXISTS (SELECT 1 FROM notification_targets WHERE enabled AND kind = 'heartbeat') THEN
        INSERT INTO notification_outbox (type, data, occurred_at)
        VALUES ('sweep_succeeded', jsonb_build_object('run', NEW.id), NEW.finished_at);
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER notify_of_sweep AFTER UPDATE ON job_runs FOR EACH ROW
    WHEN (NEW.job = 'detect_drift' AND NOT NEW.narrowed AND NEW.outcome = 'succeeded'
        AND OLD.outcome IS NULL AND NEW.finished_at IS NOT NULL)
    EXECUTE FUNCTION notify_of_sweep();
