-- Of a row's versions no two end at the same time: keep_tensor_atom_history() sees to it.
CREATE TABLE atomizer.tensor_atom_history (LIKE atomizer.tensor_atom INCLUDING COMMENTS, PRIMARY KEY (tensor_atom_id, valid_to));
COMMENT ON TABLE atomizer.tensor_atom_history IS
    'Rows of tensor_atom as they were before an update, or before their model was dropped.';

-- A tenant sees its own rows.
ALTER TABLE atomizer.tensor_atom_history ENABLE ROW LEVEL SECURITY;
CREATE POLICY own_rows ON atomizer.tensor_atom_history FOR SELECT
    USING (atomizer_internal.acts_for(tenant_id));
COMMENT ON POLICY own_rows ON atomizer.tensor_atom_history IS 'Rows of the caller''s tenants.';
GRANT SELECT ON atomizer.tensor_atom_history TO PUBLIC;

-- pg_dump keeps its rows.
SELECT pg_catalog.pg_extension_config_dump('atomizer.tensor_atom_history', '');
