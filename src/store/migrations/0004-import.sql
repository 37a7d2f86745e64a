-- Schema 4: measurements of others. Never edited.

-- Where the evidence of a series comes from, by the label of the source of its spans.
ALTER TABLE series ADD COLUMN source TEXT NOT NULL DEFAULT 'measured';
