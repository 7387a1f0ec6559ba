COMMENT ON FUNCTION atomizer.model_safety_report(bytea, oid, text, atomizer.regmodel) IS
    'What loading a model''s files by the usual libraries would run, worst first: each finding with its verdict (safe, suspicious, dangerous), kind, place (file, entry, byte), and how often it was found. Never empty: where there is nothing to report, a row says what was examined. Nothing is ever run.';
GRANT EXECUTE ON FUNCTION atomizer.model_safety_report(bytea, oid, text, atomizer.regmodel) TO PUBLIC;
