-- What each day has seen, so that past days stay answerable when their log rows are cleaned up. One row for each
-- combination that occurred; written in the transaction of the log rows, so sums of rows and days always agree.
CREATE TABLE usage_days (
  day TEXT NOT NULL,
  provider_id INTEGER NOT NULL,
  provider_name TEXT NOT NULL,
  model TEXT NOT NULL,
  provider_model TEXT NOT NULL,
  auth_key_id INTEGER NOT NULL,
  style TEXT NOT NULL,
  currency TEXT NOT NULL,
  requests INTEGER NOT NULL DEFAULT 0,
  attempts INTEGER NOT NULL DEFAULT 0,
  successes INTEGER NOT NULL DEFAULT 0,
  failures INTEGER NOT NULL DEFAULT 0,
  caller_errors INTEGER NOT NULL DEFAULT 0,
  cancelled INTEGER NOT NULL DEFAULT 0,
  limited INTEGER NOT NULL DEFAULT 0,
  gateway_errors INTEGER NOT NULL DEFAULT 0,
  prompt_tokens INTEGER NOT NULL DEFAULT 0,
  completion_tokens INTEGER NOT NULL DEFAULT 0,
  total_tokens INTEGER NOT NULL DEFAULT 0,
  cached_tokens INTEGER NOT NULL DEFAULT 0,
  estimated INTEGER NOT NULL DEFAULT 0,
  unmeasured INTEGER NOT NULL DEFAULT 0,
  cost REAL NOT NULL DEFAULT 0,
  response_ms REAL NOT NULL DEFAULT 0,
  responses INTEGER NOT NULL DEFAULT 0,
  last_used_ms INTEGER NOT NULL DEFAULT 0,
  PRIMARY KEY (day, provider_id, model, provider_model, auth_key_id, style, currency, provider_name)
) STRICT;

-- Columns of our own beside the seed's daily table of providers.
ALTER TABLE provider_usage_stats ADD COLUMN caller_errors integer DEFAULT 0;
ALTER TABLE provider_usage_stats ADD COLUMN cancelled integer DEFAULT 0;
ALTER TABLE provider_usage_stats ADD COLUMN cached_tokens integer DEFAULT 0;
ALTER TABLE provider_usage_stats ADD COLUMN responses integer DEFAULT 0;
ALTER TABLE provider_usage_stats ADD COLUMN cost_cny real DEFAULT 0;
ALTER TABLE provider_usage_stats ADD COLUMN cost_usd real DEFAULT 0;

-- The price of an attempt, frozen when it ended, in the row's currency, and where it comes from.
ALTER TABLE chat_logs ADD COLUMN cost real DEFAULT 0;
ALTER TABLE chat_logs ADD COLUMN cost_source text DEFAULT '';
