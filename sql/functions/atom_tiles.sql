COMMENT ON FUNCTION atomizer.atom_tiles(integer, integer, integer) IS
    'A Mapbox vector tile of your atoms, layer atoms: tile 0/0/0 is the box -100 to 100 seen along z. Martin and pg_tileserv serve it.';
GRANT EXECUTE ON FUNCTION atomizer.atom_tiles(integer, integer, integer) TO PUBLIC;
