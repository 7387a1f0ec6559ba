CREATE FUNCTION atomizer_internal.place_of(tensor bigint, row_no bigint, OUT x float8, OUT y float8, OUT z float8)
RETURNS SETOF record LANGUAGE sql STABLE PARALLEL SAFE
BEGIN ATOMIC
    SELECT ST_X(e.spatial_key), ST_Y(e.spatial_key), ST_Z(e.spatial_key)
    FROM atomizer.tensor_atom t JOIN atomizer.atom_embedding e USING (content_hash, data_type, row_width)
    WHERE t.tensor_atom_id = tensor AND e.row_no = place_of.row_no;
END;
COMMENT ON FUNCTION atomizer_internal.place_of(bigint, bigint) IS 'The point of a tensor, or of one of its rows.';
