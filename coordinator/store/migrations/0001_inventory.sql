-- Only TEXT and BIGINT, so that the same file serves SQLite and PostgreSQL. Times are microseconds since 1970.
-- Values with structure are JSON in TEXT; *_password and *_token are sealed.

CREATE TABLE servers (
    id              TEXT   NOT NULL PRIMARY KEY,
    name            TEXT   NOT NULL UNIQUE,
    rack            TEXT   NOT NULL,
    bmc             TEXT   NOT NULL,
    bmc_key         TEXT   NOT NULL UNIQUE,  -- address and port: two servers never share a BMC
    bmc_password    TEXT   NOT NULL,
    facade_password TEXT   NOT NULL,
    boot_mode       TEXT   NOT NULL,
    resource_class  TEXT   NOT NULL,
    properties      TEXT   NOT NULL,
    created_us      BIGINT NOT NULL,
    -- reported by the agent
    identity        TEXT,
    hardware        TEXT,
    power           TEXT,
    power_cause     TEXT,
    power_at_us     BIGINT,
    confirmed       TEXT,
    off_since_us    BIGINT,
    untold_off      BIGINT NOT NULL DEFAULT 0,
    boot_stage      TEXT,
    ramdisk         TEXT,
    -- read from Ironic
    node            TEXT,
    -- decided here
    ports_given     BIGINT NOT NULL DEFAULT 0,
    adopted_port    TEXT,
    isolated_us     BIGINT,
    intent          TEXT,
    boot_given      TEXT,
    waiting         TEXT,             -- what reconciliation or the gate waits for now
    reason          TEXT,             -- why something was refused last
    forgetting      BIGINT NOT NULL DEFAULT 0  -- an administrator deleted it; the rest follows
);

CREATE TABLE ports (
    server      TEXT   NOT NULL REFERENCES servers (id) ON DELETE CASCADE,
    position    BIGINT NOT NULL,
    name        TEXT   NOT NULL,
    mac         TEXT   NOT NULL UNIQUE,
    link        TEXT   NOT NULL,
    pxe_enabled BIGINT NOT NULL,
    wanted      TEXT,
    observed    TEXT,
    observed_us BIGINT,
    PRIMARY KEY (server, name)
);

CREATE TABLE tenant_servers (
    id          TEXT   NOT NULL PRIMARY KEY,
    instance    TEXT   UNIQUE,   -- Nova's uuid, Ironic's instance_uuid
    project_id  TEXT   NOT NULL,
    name        TEXT   NOT NULL,
    flavor      TEXT   NOT NULL,
    image       TEXT   NOT NULL,
    network     TEXT   NOT NULL,
    port        TEXT,            -- uuid of the virtual-machine-interface
    address     TEXT,
    node        TEXT,
    state       TEXT   NOT NULL,
    reason      TEXT,
    created_us  BIGINT NOT NULL
);
CREATE INDEX tenant_servers_by_project ON tenant_servers (project_id);
CREATE INDEX tenant_servers_by_node ON tenant_servers (node);

CREATE TABLE agents (
    rack         TEXT   NOT NULL PRIMARY KEY,
    boot_id      TEXT   NOT NULL,
    version      TEXT   NOT NULL,
    acknowledged BIGINT NOT NULL,
    seen_us      BIGINT NOT NULL
);

CREATE TABLE commands (
    id         TEXT   NOT NULL PRIMARY KEY,
    rack       TEXT   NOT NULL,
    server     TEXT   NOT NULL,
    kind       TEXT   NOT NULL,
    digest     TEXT   NOT NULL,  -- of the action: a repeat is recognised by it
    created_us BIGINT NOT NULL,
    outcome    TEXT,             -- none: not ended
    answered   BIGINT NOT NULL DEFAULT 0  -- whether whoever asked has had the outcome
);
CREATE INDEX commands_by_server ON commands (server, digest);

CREATE TABLE ramdisks (
    session    TEXT   NOT NULL PRIMARY KEY,
    server     TEXT   NOT NULL,
    purpose    TEXT   NOT NULL,
    network    TEXT   NOT NULL,
    ready_us   BIGINT NOT NULL,
    gone_us    BIGINT
);
CREATE INDEX ramdisks_by_server ON ramdisks (server);

-- What the ramdisk facade must not forget of a session: Ironic's token and commands, sealed.
CREATE TABLE ramdisk_records (
    session TEXT NOT NULL PRIMARY KEY,
    server  TEXT NOT NULL,
    record  TEXT NOT NULL
);

CREATE TABLE events (
    id         BIGINT NOT NULL PRIMARY KEY,
    at_us      BIGINT NOT NULL,
    server     TEXT,
    rack       TEXT,
    project_id TEXT,
    kind       TEXT   NOT NULL,
    text       TEXT   NOT NULL
);
CREATE INDEX events_by_server ON events (server, id);
