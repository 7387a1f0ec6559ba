-- With this cast functions that take the name of a strategy, in any case, take a value of the type, too.
CREATE CAST (atomizer.spatial_index_strategy AS text) WITH INOUT AS IMPLICIT;
COMMENT ON CAST (atomizer.spatial_index_strategy AS text) IS 'A strategy is its name.';
