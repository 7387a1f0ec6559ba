-- A worker is a session of the role itself. One of a superuser that only takes on the role would be a superuser's to any code of the
-- role's that runs in it.
CREATE FUNCTION atomizer_internal.may_work(caller oid) RETURNS boolean
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT r.rolcanlogin AND has_database_privilege(r.oid, current_database(), 'CONNECT') FROM pg_roles r WHERE r.oid = caller;
END;
COMMENT ON FUNCTION atomizer_internal.may_work(oid) IS 'Whether a background worker may run jobs of a role: whether it may log in here.';
