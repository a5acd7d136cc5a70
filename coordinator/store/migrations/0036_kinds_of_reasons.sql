-- What takes a server's reason away again goes by its kind, and no longer by the sentence: these are the sentences of before.
UPDATE servers SET trouble = '"wrong_network"' WHERE reason LIKE 'its boot arrived on the wrong network: %';
UPDATE servers SET trouble = '"not_registered"' WHERE reason LIKE 'not registered in Contrail: %';
