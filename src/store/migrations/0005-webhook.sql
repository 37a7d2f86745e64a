-- Schema 5: what has been told to whom. Never edited.

-- Up to which entry of the journal of spans each webhook has been told.
CREATE TABLE webhook (
    id  TEXT PRIMARY KEY NOT NULL,
    seq INTEGER NOT NULL
) STRICT;
