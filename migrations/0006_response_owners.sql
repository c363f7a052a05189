-- Who made a response, so that it can be asked for again where it is kept. The old programs do not know this table.
CREATE TABLE response_owners (
  response_id TEXT NOT NULL PRIMARY KEY,
  provider_id INTEGER NOT NULL,
  association_id INTEGER NOT NULL,
  -- A short hash, as in provider_keys.
  key_id TEXT NOT NULL,
  -- The public name by which the client asked.
  model TEXT NOT NULL,
  auth_key_id INTEGER NOT NULL,
  -- 1 = what it cost is in the books; the usage of one that is made in the background is only told later.
  metered INTEGER NOT NULL,
  made_at_ms INTEGER NOT NULL
) STRICT;

-- The retention by age.
CREATE INDEX idx_response_owners_made_at ON response_owners (made_at_ms);
