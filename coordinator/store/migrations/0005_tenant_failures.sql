-- What was seen to fail while a tenant's server was built, in the words of who saw it: Nova's own fault may say no more than
-- that it gave up.
ALTER TABLE tenant_servers ADD COLUMN failure TEXT;
