-- What the old programs had no column for. They ignore these columns and leave them alone.

ALTER TABLE providers ADD COLUMN enabled integer DEFAULT 1;

ALTER TABLE chat_logs ADD COLUMN outcome text;
ALTER TABLE chat_logs ADD COLUMN status_code integer;
ALTER TABLE chat_logs ADD COLUMN started_at_ms integer;
ALTER TABLE chat_logs ADD COLUMN provider_id integer;
ALTER TABLE chat_logs ADD COLUMN usage_source text;

ALTER TABLE health_check_configs ADD COLUMN retry_after_minutes integer;

-- Old times are text with mixed offsets, which cannot be compared; this is what reports over time use. Rows older than
-- the column get key 0, as llmio gives them at its start.
UPDATE chat_logs
SET started_at_ms = CAST(round(unixepoch(created_at, 'subsec') * 1000) AS integer),
  auth_key_id = coalesce(auth_key_id, 0);

CREATE INDEX idx_chat_logs_started_at_ms ON chat_logs (started_at_ms);

-- The filter by protocol; the fork has an index of this name too.
CREATE INDEX IF NOT EXISTS idx_chat_logs_style ON chat_logs (style);

-- The latest outcomes of an association. Without it, one that was never used would be sought through all rows of its
-- provider and of its model.
CREATE INDEX idx_chat_logs_association ON chat_logs (provider_name, provider_model, name);

-- llmio numbers unnumbered models at its start: above the highest number, oldest first.
UPDATE models SET display_order = numbered.display_order
FROM (
  SELECT id,
    row_number() OVER (ORDER BY id) +
      (SELECT coalesce(max(display_order), 0) FROM models WHERE deleted_at IS NULL) AS display_order
  FROM models
  WHERE deleted_at IS NULL AND coalesce(display_order, 0) = 0
) AS numbered
WHERE numbered.id = models.id;
