-- A tenant sees his own rows. atom and tensor_segment have no policy and no grant: a hash must not
-- tell one tenant what another one holds.

DO $$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['tenant', 'tenant_member', 'model', 'ingestion_job', 'tensor_atom', 'tensor_atom_history'] LOOP
        EXECUTE format('ALTER TABLE atomizer.%I ENABLE ROW LEVEL SECURITY', name);
        EXECUTE format('CREATE POLICY own_rows ON atomizer.%I FOR SELECT
                        USING (tenant_id = ANY ((SELECT atomizer.my_tenant_ids())::bigint[]))', name);
        EXECUTE format('COMMENT ON POLICY own_rows ON atomizer.%I IS ''Rows of the caller''''s tenants.''', name);
    END LOOP;
END $$;
ALTER TABLE atomizer.model_file ENABLE ROW LEVEL SECURITY;
CREATE POLICY own_rows ON atomizer.model_file FOR SELECT
    USING (model_id IN (SELECT m.model_id FROM atomizer.model m));
COMMENT ON POLICY own_rows ON atomizer.model_file IS 'Files of models the caller sees.';
