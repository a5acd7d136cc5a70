-- Why a change was asked for, where a route asks for a reason that is to be kept. Rows of before have none.
ALTER TABLE audit ADD COLUMN reason TEXT;
