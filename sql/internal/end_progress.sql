COMMENT ON FUNCTION atomizer_internal.end_progress(text) IS 'Ends what report_progress() shows.';
