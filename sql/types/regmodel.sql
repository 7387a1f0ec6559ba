-- A model's id, written as the id or as the name, as regclass is a table's: functions that take one need no other for
-- names. Its category is that of strings, which makes it the type of a literal where functions of one name differ.

CREATE TYPE atomizer.regmodel;
CREATE FUNCTION atomizer_internal.regmodel_in(cstring) RETURNS atomizer.regmodel
LANGUAGE c STABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'regmodel_in_wrapper';
CREATE FUNCTION atomizer_internal.regmodel_out(atomizer.regmodel) RETURNS cstring
LANGUAGE internal IMMUTABLE STRICT PARALLEL SAFE AS 'int8out';
CREATE FUNCTION atomizer_internal.regmodel_recv(internal) RETURNS atomizer.regmodel
LANGUAGE internal IMMUTABLE STRICT PARALLEL SAFE AS 'int8recv';
CREATE FUNCTION atomizer_internal.regmodel_send(atomizer.regmodel) RETURNS bytea
LANGUAGE internal IMMUTABLE STRICT PARALLEL SAFE AS 'int8send';
CREATE TYPE atomizer.regmodel (
    INPUT = atomizer_internal.regmodel_in, OUTPUT = atomizer_internal.regmodel_out,
    RECEIVE = atomizer_internal.regmodel_recv, SEND = atomizer_internal.regmodel_send,
    LIKE = bigint, CATEGORY = 'S');
COMMENT ON TYPE atomizer.regmodel IS
    'A model: its id, or the name of one of the caller''s, as ''name'' or ''tenant/name''. It is stored and shown as the id.';
GRANT USAGE ON TYPE atomizer.regmodel TO PUBLIC;
COMMENT ON FUNCTION atomizer_internal.regmodel_in(cstring) IS 'Input of regmodel: an id, or a name, which is looked up.';
COMMENT ON FUNCTION atomizer_internal.regmodel_out(atomizer.regmodel) IS 'Output of regmodel: the id.';
COMMENT ON FUNCTION atomizer_internal.regmodel_recv(internal) IS 'Binary input of regmodel: the id.';
COMMENT ON FUNCTION atomizer_internal.regmodel_send(atomizer.regmodel) IS 'Binary output of regmodel: the id.';
GRANT EXECUTE ON FUNCTION atomizer_internal.regmodel_in(cstring), atomizer_internal.regmodel_out(atomizer.regmodel),
    atomizer_internal.regmodel_recv(internal), atomizer_internal.regmodel_send(atomizer.regmodel) TO PUBLIC;

-- Numbers and texts of queries and of drivers, which send small numbers as smallint.
CREATE FUNCTION atomizer_internal.regmodel_of_text(text) RETURNS atomizer.regmodel
LANGUAGE c STABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'regmodel_of_text_wrapper';
COMMENT ON FUNCTION atomizer_internal.regmodel_of_text(text) IS 'Cast of text to regmodel: an id, or a name, which is looked up.';
CREATE FUNCTION atomizer_internal.regmodel_of_int4(integer) RETURNS atomizer.regmodel
LANGUAGE internal IMMUTABLE STRICT PARALLEL SAFE AS 'int48';
COMMENT ON FUNCTION atomizer_internal.regmodel_of_int4(integer) IS 'Cast of integer to regmodel.';
CREATE FUNCTION atomizer_internal.regmodel_of_int2(smallint) RETURNS atomizer.regmodel
LANGUAGE internal IMMUTABLE STRICT PARALLEL SAFE AS 'int28';
COMMENT ON FUNCTION atomizer_internal.regmodel_of_int2(smallint) IS 'Cast of smallint to regmodel.';
GRANT EXECUTE ON FUNCTION atomizer_internal.regmodel_of_text(text), atomizer_internal.regmodel_of_int4(integer),
    atomizer_internal.regmodel_of_int2(smallint) TO PUBLIC;
CREATE CAST (bigint AS atomizer.regmodel) WITHOUT FUNCTION AS IMPLICIT;
CREATE CAST (integer AS atomizer.regmodel) WITH FUNCTION atomizer_internal.regmodel_of_int4(integer) AS IMPLICIT;
CREATE CAST (smallint AS atomizer.regmodel) WITH FUNCTION atomizer_internal.regmodel_of_int2(smallint) AS IMPLICIT;
CREATE CAST (text AS atomizer.regmodel) WITH FUNCTION atomizer_internal.regmodel_of_text(text) AS IMPLICIT;
CREATE CAST (varchar AS atomizer.regmodel) WITH FUNCTION atomizer_internal.regmodel_of_text(text) AS IMPLICIT;
CREATE CAST (atomizer.regmodel AS bigint) WITHOUT FUNCTION AS IMPLICIT;
COMMENT ON CAST (bigint AS atomizer.regmodel) IS 'An id is a model; the function called checks that there is one.';
COMMENT ON CAST (integer AS atomizer.regmodel) IS 'An id is a model.';
COMMENT ON CAST (smallint AS atomizer.regmodel) IS 'An id is a model.';
COMMENT ON CAST (text AS atomizer.regmodel) IS 'A name is looked up.';
COMMENT ON CAST (varchar AS atomizer.regmodel) IS 'A name is looked up.';
COMMENT ON CAST (atomizer.regmodel AS bigint) IS 'A model is its id.';
