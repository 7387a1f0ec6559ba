COMMENT ON FUNCTION atomizer.extract_lora(bigint, bigint, integer) IS
    'The difference of two stored tensors as a low-rank adapter: lora_b (outputs x rank) * lora_a (rank x inputs) approximates tuned - base.';
ALTER FUNCTION atomizer.extract_lora(bigint, bigint, integer) ROWS 1;
GRANT EXECUTE ON FUNCTION atomizer.extract_lora(bigint, bigint, integer) TO PUBLIC;
