-- Another number with each change of a StructureDefinition (128), in the same transaction: what a process compiled of
-- them holds as long as this is the same. At its end, so that nobody who holds this row waits for another.
-- docs/adr/0011-guides-are-resources.md
INSERT INTO meta VALUES ('structures', '0');
CREATE FUNCTION structures_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE meta SET value = (value::bigint + 1)::text WHERE key = 'structures';
    RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER structures_new AFTER INSERT ON resource DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW WHEN (NEW.type = 128 AND NEW.version > 0) EXECUTE FUNCTION structures_changed();
CREATE CONSTRAINT TRIGGER structures_changed AFTER UPDATE OF seq ON resource DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW WHEN (NEW.type = 128) EXECUTE FUNCTION structures_changed();
