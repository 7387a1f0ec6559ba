COMMENT ON FUNCTION atomizer.atom_tiles(integer, integer, integer) IS
    'Mapbox vector tile z/x/y of your atoms (layer atoms): tile 0/0/0 is the box -100 to 100 seen along z. For Martin and pg_tileserv.';
GRANT EXECUTE ON FUNCTION atomizer.atom_tiles(integer, integer, integer) TO PUBLIC;
