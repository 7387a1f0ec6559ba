COMMENT ON FUNCTION atomizer_internal.read_model_file(atomizer.regmodel, integer) IS 'Implements read_model_file().';
GRANT EXECUTE ON FUNCTION atomizer_internal.read_model_file(atomizer.regmodel, integer) TO PUBLIC;
