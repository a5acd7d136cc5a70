-- The disks of each server as its inspections saw them, and what a clean has to account for.
CREATE TABLE disks (
    server        TEXT   NOT NULL REFERENCES servers (id) ON DELETE CASCADE,
    number        BIGINT NOT NULL,            -- within its server; what a person calls it by
    disk          TEXT   NOT NULL,            -- as it was seen last, JSON
    first_seen_us BIGINT NOT NULL,
    seen_us       BIGINT NOT NULL,
    present       BIGINT NOT NULL,            -- whether the last inspection saw it
    settled       BIGINT NOT NULL DEFAULT 0,  -- whether every byte was erased since a tenant could write to it last
    erased        TEXT,                       -- its last erase, JSON
    exception     TEXT,                       -- by whose word it is left out, JSON
    PRIMARY KEY (server, number)
);
