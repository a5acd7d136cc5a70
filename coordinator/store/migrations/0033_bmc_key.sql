-- A BMC's own key K_g (IPMI), sealed like its password; none: it has none. What else a site says of a BMC is in the column bmc.
ALTER TABLE servers ADD COLUMN bmc_k_g TEXT;
