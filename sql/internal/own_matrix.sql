-- The barrier within layer_spectrum: whose tensors they are is decided here, before any condition of a caller sees a
-- row; the conditions are applied to what comes out, before layer_spectrum computes anything.
CREATE VIEW atomizer_internal.own_matrix WITH (security_barrier) AS
SELECT t.tensor_atom_id, t.model_id, t.layer_name, t.layer_idx, t.layer_type, m.model_name
FROM atomizer.tensor_atom t JOIN atomizer.model m USING (model_id)
WHERE t.valid_from IS NOT NULL AND pg_catalog.cardinality(t.shape) >= 2
  AND atomizer_internal.acts_for(t.tenant_id);
COMMENT ON VIEW atomizer_internal.own_matrix IS 'Tensors of the caller that have rows and columns, for layer_spectrum.';
COMMENT ON COLUMN atomizer_internal.own_matrix.tensor_atom_id IS 'The tensor.';
COMMENT ON COLUMN atomizer_internal.own_matrix.model_id IS 'Its model.';
COMMENT ON COLUMN atomizer_internal.own_matrix.layer_name IS 'Its name.';
COMMENT ON COLUMN atomizer_internal.own_matrix.layer_idx IS 'Number of its layer.';
COMMENT ON COLUMN atomizer_internal.own_matrix.layer_type IS 'Kind of its layer.';
COMMENT ON COLUMN atomizer_internal.own_matrix.model_name IS 'Name of its model.';
