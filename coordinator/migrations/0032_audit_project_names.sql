-- The project's name as the token had it: a person knows a project by it. Rows of before have none.
ALTER TABLE audit ADD COLUMN project_name TEXT;
