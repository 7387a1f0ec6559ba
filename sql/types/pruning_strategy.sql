CREATE TYPE atomizer.pruning_strategy AS ENUM (
    'MagnitudeBased', 'GradientBased', 'ImportanceBased', 'ActivationBased', 'Lottery', 'SNIP', 'Random');
COMMENT ON TYPE atomizer.pruning_strategy IS 'Reserved for pruning, which is not built yet.';
GRANT USAGE ON TYPE atomizer.pruning_strategy TO PUBLIC;
