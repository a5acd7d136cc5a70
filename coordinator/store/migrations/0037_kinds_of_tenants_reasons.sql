-- What a tenant's server waits for or suffers from is decided and told by its kind, and no longer by the sentence: these are the
-- sentences of before.
ALTER TABLE tenant_servers ADD COLUMN reason_kind TEXT;
UPDATE tenant_servers SET reason_kind = CASE
    WHEN reason LIKE 'Nova does not know this server any more, and nobody is seen%' THEN '{"trouble":"unknown_to_nova"}'
    WHEN reason = 'Nova is ending it' THEN '{"waits":"nova"}'
    WHEN reason LIKE 'the operator is working on its machine, %' THEN '{"waits":"operator"}'
    WHEN reason LIKE 'the work on its machine comes to its end first, %' THEN '{"waits":"work"}'
    WHEN reason = 'its machine is switched off and released' THEN '{"waits":"release"}'
    WHEN reason = 'its machine is taken off its network' THEN '{"waits":"unplug"}'
    WHEN reason = 'its disks are being erased' THEN '{"waits":"clean"}'
    WHEN reason LIKE 'its disks could not be erased yet; %' THEN '{"waits":"person"}'
    WHEN state = '"error"' AND failure IS NOT NULL THEN '{"trouble":"image_not_written"}'
    WHEN state = '"error"' AND reason LIKE '%No valid host%' THEN '{"trouble":"no_server_free"}'
    WHEN state = '"error"' THEN '{"trouble":"not_installed"}'
    WHEN state = '"active"' THEN '{"trouble":"machine"}'
    ELSE '{"trouble":"service"}'
END WHERE reason IS NOT NULL;
