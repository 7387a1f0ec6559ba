-- Whose contents are whose: model_storage and tenant_storage, which filter by tenant, read it.
CREATE VIEW atomizer_internal.model_content AS
SELECT t.tenant_id, t.model_id, t.content_hash, t.byte_length FROM atomizer.tensor_atom t
UNION ALL
SELECT m.tenant_id, m.model_id, a.content_hash, a.byte_length
FROM atomizer.model m JOIN atomizer.model_file f USING (model_id)
JOIN atomizer.atom a ON a.content_hash = f.blob_hash AND a.kind = 'blob';
COMMENT ON VIEW atomizer_internal.model_content IS
    'Contents of every model: its tensors, and the other bytes of its files.';
COMMENT ON COLUMN atomizer_internal.model_content.tenant_id IS 'The tenant.';
COMMENT ON COLUMN atomizer_internal.model_content.model_id IS 'The model.';
COMMENT ON COLUMN atomizer_internal.model_content.content_hash IS 'The content.';
COMMENT ON COLUMN atomizer_internal.model_content.byte_length IS 'Its size in bytes.';
