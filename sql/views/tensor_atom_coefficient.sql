CREATE VIEW atomizer.tensor_atom_coefficient WITH (security_barrier) AS
SELECT s.tensor_atom_id, s.model_id, s.layer_name, s.layer_idx, (s.c).weight_index, (s.c).position_x,
       (s.c).position_y, (s.c).position_z, (s.c).weight, (s.c).atomic_value, (s.c).content_hash
FROM (SELECT t.tensor_atom_id, t.model_id, t.layer_name, t.layer_idx, t.tenant_id,
             -- In the select list a set-returning function streams; in FROM it would be written out first.
             atomizer.tensor_coefficients(t.tensor_atom_id) AS c
      FROM atomizer.tensor_atom t
      WHERE t.valid_from IS NOT NULL AND atomizer_internal.acts_for(t.tenant_id)) s;
COMMENT ON VIEW atomizer.tensor_atom_coefficient IS
    'Every weight of every complete model at its position: select a tensor (WHERE tensor_atom_id = …), and only that is read.';
COMMENT ON COLUMN atomizer.tensor_atom_coefficient.tensor_atom_id IS 'The tensor.';
COMMENT ON COLUMN atomizer.tensor_atom_coefficient.model_id IS 'Its model.';
COMMENT ON COLUMN atomizer.tensor_atom_coefficient.layer_name IS 'Its name.';
COMMENT ON COLUMN atomizer.tensor_atom_coefficient.layer_idx IS 'Number of its layer.';
COMMENT ON COLUMN atomizer.tensor_atom_coefficient.weight_index IS 'Index of the weight in the tensor, row-major, from 0.';
COMMENT ON COLUMN atomizer.tensor_atom_coefficient.position_x IS 'Index along the last axis.';
COMMENT ON COLUMN atomizer.tensor_atom_coefficient.position_y IS 'Index along the axis before it.';
COMMENT ON COLUMN atomizer.tensor_atom_coefficient.position_z IS 'Index along all earlier axes together.';
COMMENT ON COLUMN atomizer.tensor_atom_coefficient.weight IS 'The weight; rounded for F64 and integers that real cannot hold.';
COMMENT ON COLUMN atomizer.tensor_atom_coefficient.atomic_value IS 'The weight''s content, exactly: float4send, float8send or int8send of it.';
COMMENT ON COLUMN atomizer.tensor_atom_coefficient.content_hash IS 'SHA-256 of atomic_value: the key of its atom.';
GRANT SELECT ON atomizer.tensor_atom_coefficient TO PUBLIC;
