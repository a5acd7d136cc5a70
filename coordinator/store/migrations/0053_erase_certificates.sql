-- Certificates of erased disks. They refer to no other row: what becomes of a server, a rack or a tenant takes none of them away.
CREATE TABLE erase_certificates (
    number      BIGINT NOT NULL PRIMARY KEY,  -- rises with each one that is kept
    id          TEXT   NOT NULL UNIQUE,
    server      TEXT   NOT NULL,
    server_name TEXT   NOT NULL,              -- at that time
    rack        TEXT   NOT NULL,
    disk_number BIGINT NOT NULL,
    disk        TEXT   NOT NULL,              -- as its ramdisk saw it, JSON
    serial      TEXT   NOT NULL,
    wwn         TEXT   NOT NULL,
    method      TEXT   NOT NULL,
    ended_us    BIGINT NOT NULL,              -- by the agent's clock
    received_us BIGINT NOT NULL,              -- by ours
    tenancy     TEXT,                         -- our id of the tenant's server that it ended
    project_id  TEXT,
    file        TEXT   NOT NULL               -- the certificate, as it is given away
);
CREATE INDEX erase_certificates_of_server ON erase_certificates (server, number);
CREATE INDEX erase_certificates_by_serial ON erase_certificates (serial);
CREATE INDEX erase_certificates_by_wwn ON erase_certificates (wwn);
-- Kept for ever, and as they were.
CREATE TRIGGER erase_certificates_stay BEFORE DELETE ON erase_certificates
BEGIN
    SELECT RAISE(ABORT, 'a certificate of an erase is kept for ever');
END;
CREATE TRIGGER erase_certificates_do_not_change BEFORE UPDATE ON erase_certificates
BEGIN
    SELECT RAISE(ABORT, 'a certificate of an erase does not change');
END;
