-- Limits of clients' keys, and keys of which only a hash is kept. The old programs ignore these columns.

-- SHA-256 of the key in hex; NULL for a key of the old program, whose text stands in `key`.
ALTER TABLE auth_keys ADD COLUMN key_hash text;
-- What is shown of the key.
ALTER TABLE auth_keys ADD COLUMN key_mask text;
-- The key before a rotation, which is taken until then.
ALTER TABLE auth_keys ADD COLUMN previous_hash text;
ALTER TABLE auth_keys ADD COLUMN previous_until_ms integer;
-- NULL = no limit.
ALTER TABLE auth_keys ADD COLUMN requests_per_minute integer;
ALTER TABLE auth_keys ADD COLUMN tokens_per_minute integer;
ALTER TABLE auth_keys ADD COLUMN max_concurrent integer;
ALTER TABLE auth_keys ADD COLUMN budget_day real;
ALTER TABLE auth_keys ADD COLUMN budget_month real;
ALTER TABLE auth_keys ADD COLUMN budget_total real;
ALTER TABLE auth_keys ADD COLUMN budget_currency text;
-- JSON: what had been spent when the budget was reset last, which no longer counts.
ALTER TABLE auth_keys ADD COLUMN budget_baseline text;
-- JSON list of provider ids; NULL = all.
ALTER TABLE auth_keys ADD COLUMN providers text;
-- JSON list of words.
ALTER TABLE auth_keys ADD COLUMN tags text;

-- What each key has spent and when is asked at every start.
CREATE INDEX idx_usage_days_auth_key_id ON usage_days (auth_key_id);
