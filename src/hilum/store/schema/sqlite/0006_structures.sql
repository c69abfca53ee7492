-- Another number with each change of a StructureDefinition (128), in the same transaction: what a process compiled of
-- them holds as long as this is the same. docs/adr/0011-guides-are-resources.md
INSERT INTO meta VALUES ('structures', '0');
CREATE TRIGGER structures_new AFTER INSERT ON resource WHEN NEW.rid >> 40 = 128 AND NEW.version > 0
BEGIN UPDATE meta SET value = value + 1 WHERE key = 'structures'; END;
CREATE TRIGGER structures_changed AFTER UPDATE OF seq ON resource WHEN NEW.rid >> 40 = 128
BEGIN UPDATE meta SET value = value + 1 WHERE key = 'structures'; END;
