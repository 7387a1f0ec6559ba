COMMENT ON FUNCTION atomizer.reconstruct_tensor(bigint, integer) IS
    'A tensor''s weights from its decomposition in svd_component: the one of highest rank, or the first rank singular values.';
GRANT EXECUTE ON FUNCTION atomizer.reconstruct_tensor(bigint, integer) TO PUBLIC;
