CREATE FUNCTION atomizer_internal.keep_tensor_atom_history() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    -- A version lasts a microsecond at least, so that a row's versions end one after the other: a transaction may update
    -- a row twice, or have begun before the one that updated it last.
    OLD.valid_to := greatest(now(), OLD.valid_from + '1 microsecond'::interval);
    INSERT INTO atomizer.tensor_atom_history VALUES (OLD.*);
    IF TG_OP = 'DELETE' THEN
        RETURN OLD;
    END IF;
    NEW.valid_from := OLD.valid_to;
    RETURN NEW;
END $$;
COMMENT ON FUNCTION atomizer_internal.keep_tensor_atom_history() IS
    'Trigger function: copies the old row of a tensor atom to tensor_atom_history.';
