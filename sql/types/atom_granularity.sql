CREATE TYPE atomizer.atom_granularity AS ENUM ('auto', 'weight', 'tensor');
COMMENT ON TYPE atomizer.atom_granularity IS
    'Which atoms an ingestion creates: tensor (tensors only), weight (weights too), or auto (weights of the data types whose values occur at least 256 times each on average).';
GRANT USAGE ON TYPE atomizer.atom_granularity TO PUBLIC;
