CREATE TYPE atomizer.atom_granularity AS ENUM ('auto', 'weight', 'tensor');
COMMENT ON TYPE atomizer.atom_granularity IS
    'Which atoms an ingestion makes: tensors only, weights too, or weights of those data types that share each value at least 256 times (auto).';
GRANT USAGE ON TYPE atomizer.atom_granularity TO PUBLIC;
