-- What was seen of each server's attempts to boot over the network, in the order in which it became known.
CREATE TABLE boot_marks (
    id      INTEGER PRIMARY KEY,
    server  TEXT   NOT NULL REFERENCES servers (id) ON DELETE CASCADE,
    attempt BIGINT NOT NULL,  -- counted per server
    at_us   BIGINT NOT NULL,  -- by the clock of whoever saw it
    what    TEXT   NOT NULL   -- JSON
);
CREATE INDEX boot_marks_by_attempt ON boot_marks (server, attempt);
