COMMENT ON FUNCTION atomizer.extract_lora_model(atomizer.regmodel, atomizer.regmodel, integer, text, boolean) IS
    'The difference of two stored models as an adapter for peft: adapter_model.safetensors and adapter_config.json in a directory on the server, or without a path the former as a new large object. Equal tensors are left out; other_tensors counts those that differ and cannot be part of an adapter (biases, norms, embeddings, other shapes).';
ALTER FUNCTION atomizer.extract_lora_model(atomizer.regmodel, atomizer.regmodel, integer, text, boolean) ROWS 1;
GRANT EXECUTE ON FUNCTION atomizer.extract_lora_model(atomizer.regmodel, atomizer.regmodel, integer, text, boolean) TO PUBLIC;
