-- What is known of each server's sensors and event log, and as a whole.
CREATE TABLE hardware (
    server       TEXT   NOT NULL PRIMARY KEY REFERENCES servers (id) ON DELETE CASCADE,
    read_us      BIGINT,                     -- when its sensors were told last
    unread       TEXT,                       -- why nothing can be read
    draw_w       BIGINT,                     -- power draw in W
    left_out     BIGINT NOT NULL DEFAULT 0,  -- sensors beyond those that are kept
    log          TEXT,                       -- how its event log stands, JSON
    log_followed BIGINT NOT NULL DEFAULT 0   -- its event log was read to its end once
);

CREATE TABLE sensors (
    server   TEXT   NOT NULL REFERENCES servers (id) ON DELETE CASCADE,
    key      TEXT   NOT NULL,            -- by which its BMC knows it
    sensor   TEXT   NOT NULL,            -- as it was told last, JSON
    severity TEXT   NOT NULL,            -- as it counts: by the site's limits, or by its own
    by_site  BIGINT NOT NULL DEFAULT 0,
    since_us BIGINT NOT NULL,            -- since when it is as bad
    PRIMARY KEY (server, key)
);
CREATE INDEX sensors_by_severity ON sensors (severity);

CREATE TABLE log_entries (
    server       TEXT   NOT NULL REFERENCES servers (id) ON DELETE CASCADE,
    number       BIGINT NOT NULL,            -- within its server, never given twice
    id           TEXT   NOT NULL,            -- in the BMC's log, which gives it again when it was cleared
    fingerprint  TEXT   NOT NULL,
    entry        TEXT   NOT NULL,            -- as it was told, JSON
    severity     TEXT   NOT NULL,
    condition    TEXT   NOT NULL,            -- what it is a case of
    seen_us      BIGINT NOT NULL,
    is_old       BIGINT NOT NULL DEFAULT 0,  -- it was there before we looked
    ended_us     BIGINT,
    acknowledged TEXT,                       -- by whom, JSON
    PRIMARY KEY (server, number),
    UNIQUE (server, id, fingerprint)
);
CREATE INDEX log_entries_by_severity ON log_entries (severity);
