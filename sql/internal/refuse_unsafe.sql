COMMENT ON FUNCTION atomizer_internal.refuse_unsafe(text, bytea, oid, text, boolean) IS
    'Raises an error for a model that model_safety_report() does not call safe where safety is refuse, and, if told so, a NOTICE where it is warn.';
GRANT EXECUTE ON FUNCTION atomizer_internal.refuse_unsafe(text, bytea, oid, text, boolean) TO PUBLIC;
