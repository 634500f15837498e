CREATE FUNCTION end_snooze() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.snoozed := false;
    RETURN NEW;
END $$;
CREATE TRIGGER end_snooze BEFORE UPDATE ON cloud_drift FOR EACH ROW
    WHEN (OLD.snoozed AND NEW.snoozed
        AND (NEW.status <> 'open' OR (OLD.snoozed_until_change AND NEW.revision <> OLD.revision)))
    EXECUTE FUNCTION end_snooze();
ALTER TABLE cloud_drift ENABLE ALWAYS TRIGGER end_snooze;
