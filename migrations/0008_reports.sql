-- Rows of the old programs up to this id are not in usage_days yet. The program adds them when it opens the file: their
-- days depend on the configured time zone, which SQL alone does not know.
CREATE TABLE usage_adoption (up_to_id INTEGER NOT NULL) STRICT;
INSERT INTO usage_adoption
SELECT max(id) FROM chat_logs WHERE outcome IS NULL HAVING max(id) IS NOT NULL;

-- Recorded bodies are looked up and cleaned up by their log row.
CREATE INDEX IF NOT EXISTS idx_chat_ios_log_id ON chat_ios (log_id);
