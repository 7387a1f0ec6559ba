COMMENT ON FUNCTION atomizer.project_to_3d(real[], text, bigint) IS
    'A vector as a point in the box -100 to 100, as spatialize_model() places it. Method landmark: the vector''s direction relative to three orthonormal landmark vectors that follow from the seed; trilateration: the point at the vector''s distances from the landmarks.';
GRANT EXECUTE ON FUNCTION atomizer.project_to_3d(real[], text, bigint) TO PUBLIC;

COMMENT ON FUNCTION atomizer.project_to_3d(bytea, text, bigint) IS
    'As project_to_3d(real[], …), of a vector as little-endian 32-bit floats.';
GRANT EXECUTE ON FUNCTION atomizer.project_to_3d(bytea, text, bigint) TO PUBLIC;
