COMMENT ON FUNCTION atomizer_internal.ingestion_step(bigint, uuid, bytea, text) IS
    'One step of an ingestion, for the holder of its lease: plan, store a chunk, or finalize.';
GRANT EXECUTE ON FUNCTION atomizer_internal.ingestion_step(bigint, uuid, bytea, text) TO PUBLIC;
