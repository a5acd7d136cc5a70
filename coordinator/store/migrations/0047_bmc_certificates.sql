-- The certificate of a BMC as it was last shown, and another one that it shows instead; none: it has not shown one.
ALTER TABLE servers ADD COLUMN bmc_certificates TEXT;
