CREATE TYPE atomizer.spatial_index_strategy AS ENUM (
    'RTree', 'Hilbert3D', 'Morton2D', 'Morton3D', 'KDTree', 'BallTree', 'Grid');
COMMENT ON TYPE atomizer.spatial_index_strategy IS 'Index of a spatial query: RTree (GiST on the geometry) or Hilbert3D (btree on the Hilbert value); the others are reserved.';
GRANT USAGE ON TYPE atomizer.spatial_index_strategy TO PUBLIC;
