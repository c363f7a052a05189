-- Health: what the fork had no column for, and the history of checks.

-- The state beside the fork's own columns. Its times are text there and epoch milliseconds here.
ALTER TABLE provider_validations ADD COLUMN last_probe_at_ms integer;
ALTER TABLE provider_validations ADD COLUMN last_latency_ms real;
ALTER TABLE provider_validations ADD COLUMN recovered_at_ms integer;
ALTER TABLE provider_validations ADD COLUMN traffic_successes integer DEFAULT 0;
ALTER TABLE provider_validations ADD COLUMN relapses integer DEFAULT 0;

ALTER TABLE health_check_configs ADD COLUMN skip_if_recent_success integer DEFAULT 1;

-- One row for each probe and each forced check. They are the gateway's own calls and never count as usage.
CREATE TABLE provider_checks (
  id INTEGER PRIMARY KEY,
  provider_id INTEGER NOT NULL,
  checked_at_ms INTEGER NOT NULL,
  source TEXT NOT NULL,
  result TEXT NOT NULL,
  status_code INTEGER,
  latency_ms REAL,
  error TEXT NOT NULL,
  model TEXT NOT NULL,
  prompt_tokens INTEGER,
  completion_tokens INTEGER
) STRICT;

-- The history of one provider, and the retention by age.
CREATE INDEX idx_provider_checks_provider ON provider_checks (provider_id, checked_at_ms);
CREATE INDEX idx_provider_checks_checked_at ON provider_checks (checked_at_ms);

-- The last 24 hours of each provider.
CREATE INDEX IF NOT EXISTS idx_chat_logs_provider_id ON chat_logs (provider_id, started_at_ms);
