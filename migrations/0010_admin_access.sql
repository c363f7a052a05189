-- Named tokens of the admin API beside TOKEN, and the record of what was changed through it.
CREATE TABLE admin_tokens (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  name TEXT NOT NULL UNIQUE,
  -- SHA-256 of the token in hex.
  hash TEXT NOT NULL UNIQUE,
  mask TEXT NOT NULL,
  scope TEXT NOT NULL CHECK (scope IN ('read', 'write')),
  created_at_ms INTEGER NOT NULL,
  -- NULL = never.
  expires_at_ms INTEGER,
  last_used_at_ms INTEGER
) STRICT;

CREATE TABLE audit_log (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  at_ms INTEGER NOT NULL,
  -- Who: `admin` for TOKEN, else a token's name; `local` without any token; `system` for the program itself.
  actor TEXT NOT NULL,
  remote_ip TEXT NOT NULL,
  -- What was done, such as `provider.update`.
  action TEXT NOT NULL,
  -- What it was done to: kind, id and name then.
  resource TEXT NOT NULL,
  resource_id TEXT NOT NULL,
  resource_name TEXT NOT NULL,
  -- JSON object: for each field that differs, its value before and after, secrets masked.
  changes TEXT NOT NULL
) STRICT;

CREATE INDEX idx_audit_log_at ON audit_log (at_ms);
