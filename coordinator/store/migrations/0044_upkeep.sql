-- What is kept right at BMCs. Whether they leave their server off after a power failure, as that was last settled:
ALTER TABLE servers ADD COLUMN restore_policy TEXT;
-- The change of a BMC's password that is under way, without the password that is to follow; that one, sealed; when the last one ended;
-- every how many days (none: as the site has it); and a digest of the password that it replaced, sealed.
ALTER TABLE servers ADD COLUMN bmc_rotation TEXT;
ALTER TABLE servers ADD COLUMN bmc_next_password TEXT;
ALTER TABLE servers ADD COLUMN bmc_rotated_us BIGINT;
ALTER TABLE servers ADD COLUMN bmc_rotate_days BIGINT;
ALTER TABLE servers ADD COLUMN bmc_retired TEXT;
-- When somebody last read the password.
ALTER TABLE servers ADD COLUMN bmc_shown_us BIGINT;
