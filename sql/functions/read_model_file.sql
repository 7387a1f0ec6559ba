-- One plain statement that Postgres inlines: in its select list the function in C streams; in FROM, Postgres would collect
-- all rows first.
CREATE FUNCTION atomizer.read_model_file(model atomizer.regmodel, file_no integer DEFAULT NULL)
RETURNS TABLE (piece_no integer, bytes bytea)
LANGUAGE sql STABLE PARALLEL SAFE COST 10000
BEGIN ATOMIC
    SELECT (s.p).piece_no, (s.p).bytes FROM (SELECT atomizer_internal.read_model_file(model, file_no) AS p) s;
END;
COMMENT ON FUNCTION atomizer.read_model_file(atomizer.regmodel, integer) IS
    'The bytes of a file of a stored model in order, in pieces of 4 to 8 MiB (the last may be smaller), as the client asks for them. It writes nothing, so a standby serves it. After the last piece it fails unless the whole has the recorded SHA-256. Example: SELECT bytes FROM read_model_file(''smollm2'').';
GRANT EXECUTE ON FUNCTION atomizer.read_model_file(atomizer.regmodel, integer) TO PUBLIC;
