-- What each hour has seen, so that the figures of a day need not look at all of its log rows. One row for each
-- combination that occurred; written in the transaction of the log rows and kept a little longer than a day.
CREATE TABLE traffic_hours (
  -- The hour's beginning, epoch milliseconds. An attempt belongs to the hour in which it started.
  hour_ms INTEGER NOT NULL,
  model TEXT NOT NULL,
  -- 0 = none was chosen.
  provider_id INTEGER NOT NULL,
  provider_name TEXT NOT NULL,
  -- An outcome; the status in rows of older programs.
  outcome TEXT NOT NULL,
  success INTEGER NOT NULL,
  requests INTEGER NOT NULL,
  attempts INTEGER NOT NULL,
  total_tokens INTEGER NOT NULL,
  response_ms REAL NOT NULL,
  PRIMARY KEY (hour_ms, model, provider_id, provider_name, outcome, success)
) STRICT, WITHOUT ROWID;

-- Was for counting a day of each provider row by row.
DROP INDEX IF EXISTS idx_chat_logs_provider_id;
