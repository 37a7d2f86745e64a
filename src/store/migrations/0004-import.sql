-- Schema 4: measurements of others. Never edited.

-- Where the evidence of a series comes from, by the label of the source of its spans.
ALTER TABLE series ADD COLUMN source TEXT NOT NULL DEFAULT 'measured';

-- What the sequential test wants of an imported verdict, beside the columns that are there, so that a replay over years
-- unpacks nothing. Null for our own measurements.
ALTER TABLE measurement ADD COLUMN elapsed_ms INTEGER;
ALTER TABLE measurement ADD COLUMN weight REAL;
ALTER TABLE measurement ADD COLUMN self_proving INTEGER;

-- Files that were imported, by what they are rather than by their name, and how far.
CREATE TABLE import_file (
    fingerprint BLOB PRIMARY KEY NOT NULL CHECK (length(fingerprint) = 32),
    name        TEXT NOT NULL,
    lines       INTEGER NOT NULL,
    complete    INTEGER NOT NULL CHECK (complete IN (0, 1))
) STRICT;
