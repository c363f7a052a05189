-- What a provider is asked for beyond its share of the traffic. The old programs ignore these columns.

-- Larger is tried first.
ALTER TABLE providers ADD COLUMN priority integer DEFAULT 0;
-- JSON object: members that every request to it gets; NULL = none.
ALTER TABLE providers ADD COLUMN parameter_overrides text;
-- JSON object: name in an association → the model's name at the provider; NULL = none.
ALTER TABLE providers ADD COLUMN model_aliases text;
-- It cannot stream: a stream is made of its whole answer.
ALTER TABLE providers ADD COLUMN fake_stream integer DEFAULT 0;
