-- Rules by which a machine that was found is accepted without a person, in the order in which they are asked.
CREATE TABLE discovery_rules (
    name     TEXT   NOT NULL PRIMARY KEY,
    position BIGINT NOT NULL,
    rule     TEXT   NOT NULL,  -- JSON: which machines, and what they become
    password TEXT              -- of the rule's BMC user, sealed
);
