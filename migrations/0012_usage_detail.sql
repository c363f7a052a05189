-- Parts of the tokens that prices and people ask for: cache writes are a part of the input, reasoning one of the output.
ALTER TABLE chat_logs ADD COLUMN cache_write_tokens integer DEFAULT 0;
ALTER TABLE chat_logs ADD COLUMN reasoning_tokens integer DEFAULT 0;
ALTER TABLE usage_days ADD COLUMN cache_write_tokens INTEGER NOT NULL DEFAULT 0;
ALTER TABLE usage_days ADD COLUMN reasoning_tokens INTEGER NOT NULL DEFAULT 0;
