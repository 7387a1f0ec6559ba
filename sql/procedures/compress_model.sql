-- No SET clause and no SECURITY DEFINER: with either, COMMIT is refused.

CREATE PROCEDURE atomizer.compress_model(
    model          atomizer.regmodel,
    rank           integer DEFAULT NULL,
    target_energy  double precision DEFAULT NULL,
    min_parameters bigint DEFAULT 1000000)
LANGUAGE plpgsql AS $procedure$
DECLARE
    step       record;
    place      integer := 0;
    decomposed integer := 0;
    skipped    integer := 0;
    small      integer := 0;
BEGIN
    PERFORM atomizer_internal.check_may_commit('compress_model');
    LOOP
        SELECT s.* INTO step FROM atomizer_internal.compress_step(model, rank, target_energy, min_parameters, place) AS s;
        PERFORM atomizer_internal.check_commit('compress_model');
        COMMIT;
        place := step.next_tensor;
        decomposed := decomposed + step.decomposed;
        skipped := skipped + step.skipped;
        small := small + step.small;
        EXIT WHEN place IS NULL;
    END LOOP;
    RAISE NOTICE '% tensors are decomposed, % left as they are, % have fewer than % weights',
        decomposed, skipped, small, min_parameters;
END $procedure$;
COMMENT ON PROCEDURE atomizer.compress_model(atomizer.regmodel, integer, double precision, bigint) IS
    'Decomposes the matrices of a model with at least min_parameters weights into svd_component: to a rank (default 64), or to the lowest rank that keeps the share target_energy of the sum of squares; only where that is smaller than the tensor. Commits each matrix: call it again to resume.';
GRANT EXECUTE ON PROCEDURE atomizer.compress_model(atomizer.regmodel, integer, double precision, bigint) TO PUBLIC;
