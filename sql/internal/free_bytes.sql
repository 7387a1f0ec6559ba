-- Everybody may know it, as Postgres lets everybody know the size of a table: views that some may read call it as their reader.
COMMENT ON FUNCTION atomizer_internal.free_bytes(oid) IS
    'Bytes of a table or index that are free for new rows, as its free space map has them.';
GRANT EXECUTE ON FUNCTION atomizer_internal.free_bytes(oid) TO PUBLIC;
