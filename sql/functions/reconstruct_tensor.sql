COMMENT ON FUNCTION atomizer.reconstruct_tensor(bigint, integer) IS
    'A tensor''s weights from its stored decomposition: of the greatest rank there is, or the first rank singular values of one.';
GRANT EXECUTE ON FUNCTION atomizer.reconstruct_tensor(bigint, integer) TO PUBLIC;
