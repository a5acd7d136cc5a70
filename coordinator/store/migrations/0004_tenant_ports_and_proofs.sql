-- Every port of a tenant's server, in the order in which they are asked for: the first one is also in tenant_servers. Stored before
-- anything is made, so that what was made is found again.
CREATE TABLE tenant_ports (
    server          TEXT   NOT NULL REFERENCES tenant_servers (id) ON DELETE CASCADE,
    position        BIGINT NOT NULL,
    id              TEXT   NOT NULL UNIQUE,  -- uuid of the virtual-machine-interface
    network         TEXT   NOT NULL,
    asked_address   TEXT,                    -- the address that the tenant asked for; none: Contrail chooses
    address         TEXT,                    -- the address that Contrail gave
    vlan            BIGINT,                  -- tag; none: untagged
    security_groups TEXT   NOT NULL,         -- uuids, JSON
    PRIMARY KEY (server, position)
);

INSERT INTO tenant_ports (server, position, id, network, address, security_groups)
    SELECT id, 0, port, network, address, '[]' FROM tenant_servers WHERE port IS NOT NULL;

-- The proof of isolation: of every move of a port, what was wanted and what was read back, and what was heard of it afterwards.
CREATE TABLE proofs (
    id           TEXT   NOT NULL PRIMARY KEY,
    server       TEXT   NOT NULL REFERENCES servers (id) ON DELETE CASCADE,
    port         TEXT   NOT NULL,
    mac          TEXT   NOT NULL,
    asked_by     TEXT   NOT NULL,
    wanted       TEXT   NOT NULL,
    observed     TEXT,                       -- none: it could not be read back
    error        TEXT,
    at_us        BIGINT NOT NULL,            -- when the move was asked for; of repeated failures, the last time
    took_ms      BIGINT NOT NULL,            -- until it was read back
    tries        BIGINT NOT NULL,            -- how often the same thing failed
    confirmed_us BIGINT,                     -- when the gate read it back once more
    sightings    TEXT   NOT NULL             -- what probes saw, JSON
);
CREATE INDEX proofs_by_server ON proofs (server, at_us);
