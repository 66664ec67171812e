-- What a rotation waits for: that its old secret is quiet for a while, or, since armed_at, that somebody uses the new one. What
-- becomes of the old one then is kept until it is promoted.
ALTER TABLE rotations ADD COLUMN quiet_seconds INTEGER NOT NULL DEFAULT 0;
ALTER TABLE rotations ADD COLUMN grace_seconds INTEGER NOT NULL DEFAULT 0;
ALTER TABLE rotations ADD COLUMN armed_at INTEGER;
