-- The eleven tables of llmio and of its fork, as those programs create them.
--
-- An existing file keeps its tables; what it lacks is added. Nothing is renamed, dropped or made stricter, so the
-- old programs can still open the file. CREATE … IF NOT EXISTS leaves what is there, and an ALTER TABLE … ADD COLUMN
-- whose column exists is skipped by the runner (SQLite has no IF NOT EXISTS for it).

-- Which program's file this was, found before anything is added.
CREATE TEMP TABLE llmio_origin AS
SELECT
  EXISTS (
    SELECT 1 FROM main.sqlite_master
    WHERE type = 'table' AND name IN ('configs', 'auth_keys', 'chat_ios', 'log_cleanup_records')
  )
  OR EXISTS (SELECT 1 FROM pragma_table_info('providers') WHERE name IN ('proxy', 'error_matcher'))
  OR EXISTS (
    SELECT 1 FROM pragma_table_info('models') WHERE name IN ('strategy', 'breaker', 'display_order', 'io_log')
  )
  OR EXISTS (
    SELECT 1 FROM pragma_table_info('model_with_providers')
    WHERE name IN (
      'with_header', 'status', 'customer_headers', 'extra_body',
      'input_price', 'cache_read_price', 'output_price', 'currency'
    )
  )
  OR EXISTS (
    SELECT 1 FROM pragma_table_info('chat_logs')
    WHERE name IN (
      'trace_id', 'user_agent', 'remote_ip', 'auth_key_id', 'session_id', 'chat_io', 'size',
      'prompt_tokens_details', 'input_price', 'cache_read_price', 'output_price', 'currency'
    )
  ) AS upstream,
  EXISTS (
    SELECT 1 FROM main.sqlite_master
    WHERE type = 'table' AND name IN ('provider_validations', 'provider_usage_stats', 'health_check_configs')
  ) AS fork;

-- Tables ------------------------------------------------------------------------------------------------------------

CREATE TABLE IF NOT EXISTS providers (
  id integer PRIMARY KEY AUTOINCREMENT, created_at datetime, updated_at datetime, deleted_at datetime,
  name text, type text, config text, console text, proxy text, error_matcher text
);
ALTER TABLE providers ADD COLUMN updated_at datetime;
ALTER TABLE providers ADD COLUMN type text;
ALTER TABLE providers ADD COLUMN config text;
ALTER TABLE providers ADD COLUMN console text;
ALTER TABLE providers ADD COLUMN proxy text;
ALTER TABLE providers ADD COLUMN error_matcher text;

CREATE TABLE IF NOT EXISTS models (
  id integer PRIMARY KEY AUTOINCREMENT, created_at datetime, updated_at datetime, deleted_at datetime,
  name text, remark text, max_retry integer, time_out integer, strategy text, breaker numeric, display_order integer
);
ALTER TABLE models ADD COLUMN updated_at datetime;
ALTER TABLE models ADD COLUMN remark text;
ALTER TABLE models ADD COLUMN max_retry integer;
ALTER TABLE models ADD COLUMN time_out integer;
ALTER TABLE models ADD COLUMN strategy text;
ALTER TABLE models ADD COLUMN breaker numeric;
ALTER TABLE models ADD COLUMN display_order integer;

CREATE TABLE IF NOT EXISTS model_with_providers (
  id integer PRIMARY KEY AUTOINCREMENT, created_at datetime, updated_at datetime, deleted_at datetime,
  model_id integer, provider_model text, provider_id integer,
  tool_call numeric, structured_output numeric, image numeric, with_header numeric, status numeric,
  customer_headers text, extra_body text, weight integer,
  input_price real, cache_read_price real, output_price real, currency text
);
ALTER TABLE model_with_providers ADD COLUMN updated_at datetime;
ALTER TABLE model_with_providers ADD COLUMN provider_model text;
ALTER TABLE model_with_providers ADD COLUMN tool_call numeric;
ALTER TABLE model_with_providers ADD COLUMN structured_output numeric;
ALTER TABLE model_with_providers ADD COLUMN image numeric;
ALTER TABLE model_with_providers ADD COLUMN with_header numeric;
ALTER TABLE model_with_providers ADD COLUMN status numeric;
ALTER TABLE model_with_providers ADD COLUMN customer_headers text;
ALTER TABLE model_with_providers ADD COLUMN extra_body text;
ALTER TABLE model_with_providers ADD COLUMN weight integer;
ALTER TABLE model_with_providers ADD COLUMN input_price real;
ALTER TABLE model_with_providers ADD COLUMN cache_read_price real;
ALTER TABLE model_with_providers ADD COLUMN output_price real;
ALTER TABLE model_with_providers ADD COLUMN currency text;

CREATE TABLE IF NOT EXISTS chat_logs (
  id integer PRIMARY KEY AUTOINCREMENT, created_at datetime, updated_at datetime, deleted_at datetime,
  name text, trace_id text, provider_model text, provider_name text, status text, style text, user_agent text,
  remote_ip text, auth_key_id integer, session_id text, chat_io numeric, error text, retry integer,
  proxy_time integer, first_chunk_time integer, chunk_time integer, tps real, size integer,
  prompt_tokens integer, completion_tokens integer, total_tokens integer, prompt_tokens_details text,
  input_price real, cache_read_price real, output_price real, currency text
);
ALTER TABLE chat_logs ADD COLUMN updated_at datetime;
ALTER TABLE chat_logs ADD COLUMN name text;
ALTER TABLE chat_logs ADD COLUMN trace_id text;
ALTER TABLE chat_logs ADD COLUMN provider_model text;
ALTER TABLE chat_logs ADD COLUMN provider_name text;
ALTER TABLE chat_logs ADD COLUMN status text;
ALTER TABLE chat_logs ADD COLUMN style text;
ALTER TABLE chat_logs ADD COLUMN user_agent text;
ALTER TABLE chat_logs ADD COLUMN remote_ip text;
ALTER TABLE chat_logs ADD COLUMN auth_key_id integer;
ALTER TABLE chat_logs ADD COLUMN session_id text;
ALTER TABLE chat_logs ADD COLUMN chat_io numeric;
ALTER TABLE chat_logs ADD COLUMN error text;
ALTER TABLE chat_logs ADD COLUMN retry integer;
ALTER TABLE chat_logs ADD COLUMN proxy_time integer;
ALTER TABLE chat_logs ADD COLUMN first_chunk_time integer;
ALTER TABLE chat_logs ADD COLUMN chunk_time integer;
ALTER TABLE chat_logs ADD COLUMN tps real;
ALTER TABLE chat_logs ADD COLUMN size integer;
ALTER TABLE chat_logs ADD COLUMN prompt_tokens integer;
ALTER TABLE chat_logs ADD COLUMN completion_tokens integer;
ALTER TABLE chat_logs ADD COLUMN total_tokens integer;
ALTER TABLE chat_logs ADD COLUMN prompt_tokens_details text;
ALTER TABLE chat_logs ADD COLUMN input_price real;
ALTER TABLE chat_logs ADD COLUMN cache_read_price real;
ALTER TABLE chat_logs ADD COLUMN output_price real;
ALTER TABLE chat_logs ADD COLUMN currency text;

CREATE TABLE IF NOT EXISTS chat_ios (
  id integer PRIMARY KEY AUTOINCREMENT, created_at datetime, updated_at datetime, deleted_at datetime,
  log_id integer, input text, of_string text, of_string_array text
);

CREATE TABLE IF NOT EXISTS configs (
  id integer PRIMARY KEY AUTOINCREMENT, created_at datetime, updated_at datetime, deleted_at datetime,
  key text, value text
);

CREATE TABLE IF NOT EXISTS auth_keys (
  id integer PRIMARY KEY AUTOINCREMENT, created_at datetime, updated_at datetime, deleted_at datetime,
  name text, key text, status numeric, io_log numeric, allow_all numeric, models text, expires_at datetime,
  usage_count integer, last_used_at datetime
);
ALTER TABLE auth_keys ADD COLUMN io_log numeric;

CREATE TABLE IF NOT EXISTS log_cleanup_records (
  id integer PRIMARY KEY AUTOINCREMENT, created_at datetime, updated_at datetime, deleted_at datetime,
  retention_days integer, deleted_count integer, duration_ms integer, source text, type text
);

-- The fork's own tables. Its optional script makes them with other spellings of the types; columns are the same.
CREATE TABLE IF NOT EXISTS provider_validations (
  id integer PRIMARY KEY AUTOINCREMENT, created_at datetime, updated_at datetime, deleted_at datetime,
  provider_id integer NOT NULL, is_healthy numeric DEFAULT true, error_count integer DEFAULT 0, last_error text,
  last_status_code integer DEFAULT 0, last_validated_at datetime, last_success_at datetime, next_retry_at datetime,
  consecutive_successes integer DEFAULT 0
);
ALTER TABLE provider_validations ADD COLUMN deleted_at datetime;
ALTER TABLE provider_validations ADD COLUMN last_status_code integer DEFAULT 0;
ALTER TABLE provider_validations ADD COLUMN last_validated_at datetime;
ALTER TABLE provider_validations ADD COLUMN last_success_at datetime;
ALTER TABLE provider_validations ADD COLUMN next_retry_at datetime;
ALTER TABLE provider_validations ADD COLUMN consecutive_successes integer DEFAULT 0;

CREATE TABLE IF NOT EXISTS provider_usage_stats (
  id integer PRIMARY KEY AUTOINCREMENT, created_at datetime, updated_at datetime, deleted_at datetime,
  provider_id integer NOT NULL, date date NOT NULL, total_requests integer DEFAULT 0,
  success_requests integer DEFAULT 0, failed_requests integer DEFAULT 0, total_tokens integer DEFAULT 0,
  prompt_tokens integer DEFAULT 0, completion_tokens integer DEFAULT 0, avg_response_time real DEFAULT 0,
  last_used_at datetime
);
ALTER TABLE provider_usage_stats ADD COLUMN deleted_at datetime;
ALTER TABLE provider_usage_stats ADD COLUMN last_used_at datetime;

CREATE TABLE IF NOT EXISTS health_check_configs (
  id integer PRIMARY KEY AUTOINCREMENT, created_at datetime, updated_at datetime, deleted_at datetime,
  enabled numeric DEFAULT true, interval_minutes integer DEFAULT 5, max_error_count integer DEFAULT 5,
  retry_after_hours integer DEFAULT 1
);
ALTER TABLE health_check_configs ADD COLUMN deleted_at datetime;

-- Indexes -----------------------------------------------------------------------------------------------------------
-- Where both programs use a name for different columns, whoever came first keeps it. The fork's further indexes on
-- chat_logs are left out of files that do not have them: they would cost every log row a write and serve no query here.

CREATE INDEX IF NOT EXISTS idx_providers_deleted_at ON providers (deleted_at);
CREATE INDEX IF NOT EXISTS idx_providers_type ON providers (type);
CREATE INDEX IF NOT EXISTS idx_models_deleted_at ON models (deleted_at);
CREATE INDEX IF NOT EXISTS idx_models_name ON models (name);
CREATE INDEX IF NOT EXISTS idx_model_with_providers_deleted_at ON model_with_providers (deleted_at);
CREATE INDEX IF NOT EXISTS idx_model_provider ON model_with_providers (model_id, provider_id);
CREATE INDEX IF NOT EXISTS idx_chat_logs_deleted_at ON chat_logs (deleted_at);
CREATE INDEX IF NOT EXISTS idx_chat_logs_name ON chat_logs (name);
CREATE INDEX IF NOT EXISTS idx_chat_logs_trace_id ON chat_logs (trace_id);
CREATE INDEX IF NOT EXISTS idx_chat_logs_provider_model ON chat_logs (provider_model);
CREATE INDEX IF NOT EXISTS idx_chat_logs_provider_name ON chat_logs (provider_name);
CREATE INDEX IF NOT EXISTS idx_chat_logs_status ON chat_logs (status);
CREATE INDEX IF NOT EXISTS idx_chat_logs_user_agent ON chat_logs (user_agent);
CREATE INDEX IF NOT EXISTS idx_chat_logs_auth_key_id ON chat_logs (auth_key_id);
CREATE INDEX IF NOT EXISTS idx_chat_logs_session_id ON chat_logs (session_id);
CREATE INDEX IF NOT EXISTS idx_chat_ios_deleted_at ON chat_ios (deleted_at);
CREATE INDEX IF NOT EXISTS idx_configs_deleted_at ON configs (deleted_at);
CREATE INDEX IF NOT EXISTS idx_auth_keys_deleted_at ON auth_keys (deleted_at);
CREATE INDEX IF NOT EXISTS idx_log_cleanup_records_deleted_at ON log_cleanup_records (deleted_at);
CREATE INDEX IF NOT EXISTS idx_provider_validations_deleted_at ON provider_validations (deleted_at);
CREATE UNIQUE INDEX IF NOT EXISTS idx_provider_validations_provider_id ON provider_validations (provider_id);
CREATE INDEX IF NOT EXISTS idx_provider_validations_last_validated_at ON provider_validations (last_validated_at);
CREATE INDEX IF NOT EXISTS idx_provider_validations_next_retry_at ON provider_validations (next_retry_at);
CREATE INDEX IF NOT EXISTS idx_provider_usage_stats_deleted_at ON provider_usage_stats (deleted_at);
CREATE UNIQUE INDEX IF NOT EXISTS idx_provider_date ON provider_usage_stats (provider_id, date);
CREATE INDEX IF NOT EXISTS idx_provider_usage_stats_last_used_at ON provider_usage_stats (last_used_at);
CREATE INDEX IF NOT EXISTS idx_health_check_configs_deleted_at ON health_check_configs (deleted_at);

-- Rows --------------------------------------------------------------------------------------------------------------

-- A capability that was never set means "yes" to the fork and "no" to llmio. Rows that the fork wrote get the yes, so
-- that they are routed as before: all rows of a file that llmio has not opened since v0.4.13, and in a file of both
-- programs those without the two columns that llmio fills at every start.
UPDATE model_with_providers SET tool_call = 1
WHERE tool_call IS NULL AND deleted_at IS NULL
  AND (SELECT NOT upstream OR (fork AND status IS NULL AND customer_headers IS NULL) FROM llmio_origin);
UPDATE model_with_providers SET structured_output = 1
WHERE structured_output IS NULL AND deleted_at IS NULL
  AND (SELECT NOT upstream OR (fork AND status IS NULL AND customer_headers IS NULL) FROM llmio_origin);
UPDATE model_with_providers SET image = 1
WHERE image IS NULL AND deleted_at IS NULL
  AND (SELECT NOT upstream OR (fork AND status IS NULL AND customer_headers IS NULL) FROM llmio_origin);

INSERT INTO configs (created_at, updated_at, key, value)
SELECT strftime('%Y-%m-%d %H:%M:%S+00:00', 'now'), strftime('%Y-%m-%d %H:%M:%S+00:00', 'now'),
  'log_cleanup_policy', '{"enabled":false,"retention_days":30}'
WHERE NOT EXISTS (SELECT 1 FROM configs WHERE key = 'log_cleanup_policy' AND deleted_at IS NULL);

INSERT INTO health_check_configs
  (created_at, updated_at, enabled, interval_minutes, max_error_count, retry_after_hours)
SELECT strftime('%Y-%m-%d %H:%M:%S+00:00', 'now'), strftime('%Y-%m-%d %H:%M:%S+00:00', 'now'), 1, 5, 5, 1
WHERE NOT EXISTS (SELECT 1 FROM health_check_configs WHERE deleted_at IS NULL);

DROP TABLE temp.llmio_origin;
