-- Which programs may run on a schema: those that know this one, or a later one. Programs of the schemas before did not ask.
ALTER TABLE schema_migrations ADD COLUMN since INTEGER NOT NULL DEFAULT 0;

-- When a replica last wrote the use of keys.
ALTER TABLE replicas ADD COLUMN flushed_at INTEGER;
