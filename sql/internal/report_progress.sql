COMMENT ON FUNCTION atomizer_internal.report_progress(text, text, bigint, bigint, text) IS
    'Shows in the view progress how far a function in SQL is; the first call begins.';
