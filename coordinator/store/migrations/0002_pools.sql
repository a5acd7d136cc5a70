-- Pools: rules over the inspected hardware, in order; the first that matches gives a server its resource class.
CREATE TABLE pools (
    name           TEXT   NOT NULL PRIMARY KEY,
    position       BIGINT NOT NULL,
    resource_class TEXT   NOT NULL,
    conditions     TEXT   NOT NULL  -- JSON: a list of texts such as "cpus>=2"
);

-- The class that a pool gave (servers.resource_class is the one that the import file gave), for which hardware that was
-- decided, and whether Ironic's node has been told.
ALTER TABLE servers ADD COLUMN pool TEXT;
ALTER TABLE servers ADD COLUMN pool_class TEXT;
ALTER TABLE servers ADD COLUMN pool_facts TEXT;
ALTER TABLE servers ADD COLUMN pool_untold BIGINT NOT NULL DEFAULT 0;

-- Images that are being uploaded to Glance. What is here and nobody is at is removed from Glance.
CREATE TABLE uploads (
    image      TEXT   NOT NULL PRIMARY KEY,  -- Glance's id, chosen here
    file_bytes BIGINT NOT NULL,
    began_us   BIGINT NOT NULL
);
