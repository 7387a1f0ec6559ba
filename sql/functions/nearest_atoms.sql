COMMENT ON FUNCTION atomizer.nearest_atoms(geometry, integer, text) IS
    'The k tensors (granularity tensor) or matrix rows (row) of your models nearest to a point, nearest first.';
ALTER FUNCTION atomizer.nearest_atoms(geometry, integer, text) ROWS 10;
GRANT EXECUTE ON FUNCTION atomizer.nearest_atoms(geometry, integer, text) TO PUBLIC;

COMMENT ON FUNCTION atomizer.nearest_atoms(bigint, integer, bigint) IS
    'The k tensors nearest to a tensor''s point; with row_no, the k matrix rows nearest to that row''s point.';
ALTER FUNCTION atomizer.nearest_atoms(bigint, integer, bigint) ROWS 10;
GRANT EXECUTE ON FUNCTION atomizer.nearest_atoms(bigint, integer, bigint) TO PUBLIC;

CREATE FUNCTION atomizer.nearest_atoms(
    model atomizer.regmodel, tensor text, k integer DEFAULT 10, row_no bigint DEFAULT -1)
RETURNS TABLE(tensor_atom_id bigint, model_id bigint, layer_name text, row_no bigint, spatial_key geometry,
    distance double precision)
LANGUAGE sql STABLE PARALLEL SAFE ROWS 10
BEGIN ATOMIC
    SELECT * FROM atomizer.nearest_atoms(atomizer.tensor_id(model, tensor), k, row_no);
END;
COMMENT ON FUNCTION atomizer.nearest_atoms(atomizer.regmodel, text, integer, bigint) IS
    'The same of a tensor by the names of its model and its layer.';
GRANT EXECUTE ON FUNCTION atomizer.nearest_atoms(atomizer.regmodel, text, integer, bigint) TO PUBLIC;

-- What a literal is: without this one it could be a number, too. As text, a type that is preferred, it would leave
-- no way to names.
CREATE FUNCTION atomizer.nearest_atoms(point varchar, k integer DEFAULT 10, granularity text DEFAULT 'tensor')
RETURNS TABLE(tensor_atom_id bigint, model_id bigint, layer_name text, row_no bigint, spatial_key geometry,
    distance double precision)
LANGUAGE sql STABLE PARALLEL SAFE ROWS 10
BEGIN ATOMIC
    SELECT * FROM atomizer.nearest_atoms(point::geometry, k, granularity);
END;
COMMENT ON FUNCTION atomizer.nearest_atoms(varchar, integer, text) IS 'As nearest_atoms(geometry, …), of a point that is written as text.';
GRANT EXECUTE ON FUNCTION atomizer.nearest_atoms(varchar, integer, text) TO PUBLIC;
