-- Why it is in doubt whose BMC answers at a server's address, JSON; none: it is this server's. And when that was proved last.
ALTER TABLE servers ADD COLUMN bmc_doubt TEXT;
ALTER TABLE servers ADD COLUMN bmc_proved_us BIGINT;
