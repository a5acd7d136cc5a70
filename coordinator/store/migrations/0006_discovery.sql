-- Machines that were found and that nobody has enrolled. What a scan and what a boot says of one machine is one row.
CREATE TABLE discoveries (
    id           TEXT   NOT NULL PRIMARY KEY,
    rack         TEXT   NOT NULL,
    ignored      BIGINT NOT NULL DEFAULT 0,
    bmc          TEXT,              -- what the scan found
    bmc_password TEXT,              -- the one that the BMC accepted, sealed
    machine      TEXT,              -- what the ramdisk found
    first_us     BIGINT NOT NULL,
    last_us      BIGINT NOT NULL
);
