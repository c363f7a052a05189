-- What the gateway knows of keys and associations at this moment, so that a restart forgets no pause, no open breaker
-- and no refused key. Times are epoch milliseconds. The old programs do not know these tables and leave them alone.

CREATE TABLE provider_keys (
  provider_id INTEGER NOT NULL,
  -- A short hash. The key itself is in the provider's config and nowhere else.
  key_id TEXT NOT NULL,
  cooling_until INTEGER,
  cooling_set_at INTEGER,
  cooling_hits INTEGER NOT NULL DEFAULT 0,
  bad_until INTEGER,
  bad_since INTEGER,
  refusals INTEGER NOT NULL DEFAULT 0,
  error_count INTEGER NOT NULL DEFAULT 0,
  last_error TEXT,
  last_used_at INTEGER,
  use_count INTEGER NOT NULL DEFAULT 0,
  PRIMARY KEY (provider_id, key_id)
) STRICT;

CREATE TABLE association_states (
  association_id INTEGER PRIMARY KEY,
  provider_id INTEGER NOT NULL,
  cooling_until INTEGER,
  cooling_set_at INTEGER,
  cooling_hits INTEGER NOT NULL DEFAULT 0,
  breaker_failures INTEGER NOT NULL DEFAULT 0,
  breaker_successes INTEGER NOT NULL DEFAULT 0,
  breaker_open_until INTEGER,
  breaker_opened_at INTEGER,
  -- Attempts on the day `used_on`, which is written 2026-05-20.
  used_today INTEGER NOT NULL DEFAULT 0,
  used_on TEXT NOT NULL DEFAULT '',
  ttft_ms REAL
) STRICT;
