-- How many rows of the request log there are that nobody has deleted: a page of the log says it, and to count a million
-- rows takes a while. Triggers keep it right whoever writes; the program makes them when it opens the file.
CREATE TABLE log_count (rows INTEGER NOT NULL) STRICT;
