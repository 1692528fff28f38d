-- Who did what: sent, withdrew, deleted, logged in, stopped.

CREATE TABLE audit (
    id    INTEGER PRIMARY KEY,
    body  BLOB NOT NULL,            -- model.Deed as JSON
    crc   INTEGER NOT NULL
);
