COMMENT ON FUNCTION atomizer.project_to_3d(real[], text, bigint) IS
    'A vector as a point in the box -100 to 100, as spatialize_model places it: its direction against three orthonormal landmark vectors of the seed. With method trilateration: the point with the vector''s distances from the landmarks.';
GRANT EXECUTE ON FUNCTION atomizer.project_to_3d(real[], text, bigint) TO PUBLIC;

COMMENT ON FUNCTION atomizer.project_to_3d(bytea, text, bigint) IS
    'The same of a vector as 32-bit floats, little-endian.';
GRANT EXECUTE ON FUNCTION atomizer.project_to_3d(bytea, text, bigint) TO PUBLIC;
