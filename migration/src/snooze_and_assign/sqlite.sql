CREATE TRIGGER end_snooze AFTER UPDATE OF status, revision ON cloud_drift
WHEN OLD.snoozed AND NEW.snoozed
    AND (NEW.status <> 'open' OR (OLD.snoozed_until_change AND NEW.revision <> OLD.revision))
BEGIN
    UPDATE cloud_drift SET snoozed = false WHERE rowid = NEW.rowid;
END;
