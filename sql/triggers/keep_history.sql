-- Rows of a model that was never complete leave no history.
CREATE TRIGGER keep_history BEFORE UPDATE OR DELETE ON atomizer.tensor_atom
    FOR EACH ROW WHEN (OLD.valid_from IS NOT NULL)
    EXECUTE FUNCTION atomizer_internal.keep_tensor_atom_history();
COMMENT ON TRIGGER keep_history ON atomizer.tensor_atom IS 'Keeps old rows in tensor_atom_history.';
