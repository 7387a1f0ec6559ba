COMMENT ON FUNCTION atomizer_internal.running_work() IS
    'Long work of this database that the caller may see: that of its tenants'' models, and of its own roles.';
ALTER FUNCTION atomizer_internal.running_work() ROWS 5;
GRANT EXECUTE ON FUNCTION atomizer_internal.running_work() TO PUBLIC;
