CREATE VIEW atomizer.atom_points WITH (security_barrier) AS
SELECT t.tensor_atom_id || CASE WHEN e.row_no < 0 THEN '' ELSE '/' || e.row_no END AS point_id,
       t.tensor_atom_id, t.model_id, m.model_name, t.layer_name, t.layer_idx, t.layer_type, e.row_no,
       ST_Force2D(e.spatial_key)::geometry(Point) AS point_2d, e.spatial_key, e.hilbert_value
FROM atomizer.tensor_atom t
JOIN atomizer.model m USING (model_id)
JOIN atomizer.atom_embedding e USING (content_hash, data_type, row_width)
WHERE t.valid_from IS NOT NULL AND atomizer_internal.acts_for(t.tenant_id);
COMMENT ON VIEW atomizer.atom_points IS
    'Your tensors, and rows of matrices, as points in the box -100 to 100. QGIS shows point_2d as a layer, with point_id as its key.';
COMMENT ON COLUMN atomizer.atom_points.point_id IS 'Identifier of the tensor atom, and for a row a slash and its index: a key.';
COMMENT ON COLUMN atomizer.atom_points.tensor_atom_id IS 'The tensor.';
COMMENT ON COLUMN atomizer.atom_points.model_id IS 'Its model.';
COMMENT ON COLUMN atomizer.atom_points.model_name IS 'Name of the model.';
COMMENT ON COLUMN atomizer.atom_points.layer_name IS 'Name of the tensor.';
COMMENT ON COLUMN atomizer.atom_points.layer_idx IS 'Number of its layer.';
COMMENT ON COLUMN atomizer.atom_points.layer_type IS 'Kind of layer.';
COMMENT ON COLUMN atomizer.atom_points.row_no IS 'Row of the matrix, or -1 for the tensor as a whole.';
COMMENT ON COLUMN atomizer.atom_points.point_2d IS 'The point seen along z.';
COMMENT ON COLUMN atomizer.atom_points.spatial_key IS 'The point.';
COMMENT ON COLUMN atomizer.atom_points.hilbert_value IS 'Index along the Hilbert curve.';
GRANT SELECT ON atomizer.atom_points TO PUBLIC;
