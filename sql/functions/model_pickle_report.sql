CREATE FUNCTION atomizer.model_pickle_report(
    model_bytes bytea DEFAULT NULL,
    model_lo oid DEFAULT NULL,
    model_path text DEFAULT NULL,
    model atomizer.regmodel DEFAULT NULL)
RETURNS TABLE (verdict text, global text, times bigint, why text)
LANGUAGE sql VOLATILE PARALLEL SAFE COST 10000
BEGIN ATOMIC
    SELECT r.verdict,
           CASE WHEN r.kind = 'global' THEN r.what END,
           CASE WHEN r.kind = 'global' THEN r.count END,
           CASE WHEN r.kind = 'global' THEN r.why ELSE concat_ws(': ', r.place, r.what, r.why) END
    FROM atomizer.model_safety_report(model_bytes, model_lo, model_path, model) r;
END;
COMMENT ON FUNCTION atomizer.model_pickle_report(bytea, oid, text, atomizer.regmodel) IS
    'model_safety_report() in the columns that it had under this name: what pickles import is global, everything else stands in why.';
GRANT EXECUTE ON FUNCTION atomizer.model_pickle_report(bytea, oid, text, atomizer.regmodel) TO PUBLIC;
