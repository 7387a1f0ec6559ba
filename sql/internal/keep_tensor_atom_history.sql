CREATE FUNCTION atomizer_internal.keep_tensor_atom_history() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    OLD.valid_to := now();
    INSERT INTO atomizer.tensor_atom_history VALUES (OLD.*);
    IF TG_OP = 'DELETE' THEN
        RETURN OLD;
    END IF;
    NEW.valid_from := now();
    RETURN NEW;
END $$;
COMMENT ON FUNCTION atomizer_internal.keep_tensor_atom_history() IS
    'Trigger function: copies the old row of a tensor atom to tensor_atom_history.';
