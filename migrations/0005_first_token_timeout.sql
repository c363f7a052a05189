-- How long a stream of this model may take until its first output, in seconds; NULL or 0 = as long as the model's
-- time_out allows.
ALTER TABLE models ADD COLUMN first_token_timeout integer DEFAULT 0;
