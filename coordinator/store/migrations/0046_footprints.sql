-- What was in a BMC and in the firmware's settings before a tenancy, and what differs after it; none: it was not read yet.
ALTER TABLE servers ADD COLUMN traces TEXT;
