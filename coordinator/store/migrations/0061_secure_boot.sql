-- Whether a server's firmware starts signed programs only, as its BMC said last; NULL: it does not say.
ALTER TABLE servers ADD COLUMN secure_boot INTEGER;
