-- How credentials in this file are encrypted. No row = they are not.
CREATE TABLE encryption (
  id INTEGER PRIMARY KEY CHECK (id = 1),
  -- Of the way in which the key is derived and values are written.
  version INTEGER NOT NULL,
  -- Base64.
  salt TEXT NOT NULL,
  iterations INTEGER NOT NULL,
  -- A known text, encrypted: tells a wrong secret from a right one.
  probe TEXT NOT NULL
) STRICT;
