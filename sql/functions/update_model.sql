COMMENT ON FUNCTION atomizer.update_model(atomizer.regmodel, text, text, text, jsonb) IS
    'Changes a model''s name, type, provider or properties. What is null stays as it is; an empty text removes type or provider; properties are replaced as a whole. Example: SELECT update_model(1, provider => ''me'').';
GRANT EXECUTE ON FUNCTION atomizer.update_model(atomizer.regmodel, text, text, text, jsonb) TO PUBLIC;
