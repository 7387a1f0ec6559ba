COMMENT ON FUNCTION atomizer.project_to_3d(real[], text, bigint) IS
    'A vector as a point in the box -100 to 100, as spatialize_model() places it. Method landmark: the vector''s direction relative to three orthonormal landmark vectors that follow from the seed; trilateration: the point at the vector''s distances from the landmarks.';
GRANT EXECUTE ON FUNCTION atomizer.project_to_3d(real[], text, bigint) TO PUBLIC;

COMMENT ON FUNCTION atomizer.project_to_3d(bytea, text, bigint) IS
    'As project_to_3d(real[], …), of a vector as little-endian 32-bit floats.';
GRANT EXECUTE ON FUNCTION atomizer.project_to_3d(bytea, text, bigint) TO PUBLIC;

-- What a literal is: without this one it could be both.
CREATE FUNCTION atomizer.project_to_3d(vector text, method text DEFAULT 'landmark', seed bigint DEFAULT 42) RETURNS geometry
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE WHEN vector LIKE '\x%' ESCAPE '' THEN atomizer.project_to_3d(vector::bytea, method, seed)
            ELSE atomizer.project_to_3d(vector::real[], method, seed) END;
COMMENT ON FUNCTION atomizer.project_to_3d(text, text, bigint) IS
    'As project_to_3d(real[], …) and project_to_3d(bytea, …), of a vector that is written as text.';
GRANT EXECUTE ON FUNCTION atomizer.project_to_3d(text, text, bigint) TO PUBLIC;
