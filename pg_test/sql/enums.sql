-- The labels of every enumerated type, and that the engine's types of tensors are among them.
\getenv root ATOMIZER_ROOT
\set helpers :root '/pg_test/helpers.psql'
\i :helpers
SET search_path = atomizer, public;
\pset format unaligned
SELECT typname, string_agg(enumlabel, ' ' ORDER BY enumsortorder) FROM pg_type t JOIN pg_enum e ON e.enumtypid = t.oid
WHERE typnamespace = 'atomizer'::regnamespace GROUP BY 1 ORDER BY typname COLLATE "C";

\pset format aligned

-- Every type number of GGUF, with the weights and bytes of a block as ggml has them; 0 where a number is not a type, or no longer one.
CREATE TEMP TABLE ggml AS SELECT n::int - 1 AS type, block, bytes
FROM unnest('{1,1,32,32,0,0,32,32,32,32, 256,256,256,256,256,256,256,256,256,256, 32,256,256,256,1,1,1,1,1,256, 1,0,0,0,256,256,0,0,0,32, 64,128,64,0}'::int[],
            '{4,2,18,20,0,0,22,24,34,36, 84,110,144,176,210,292,66,74,98,50, 18,110,82,136,1,2,4,8,8,56, 2,0,0,0,54,66,0,0,0,17, 36,18,18,0}'::int[])
    WITH ORDINALITY AS u(block, bytes, n);
CREATE FUNCTION pg_temp.engine(type int, block int, bytes int, OUT data_type tensor_dtype, OUT quantization_type quantization_type, OUT as_ggml boolean)
LANGUAGE plpgsql AS $$
BEGIN
    SELECT l.data_type, l.quantization_type, l.weight_count = block AND l.byte_length = bytes INTO data_type, quantization_type, as_ggml
    FROM list_tensors(test.gguf(type, block, bytes)) l;
EXCEPTION WHEN feature_not_supported THEN
    NULL;
END $$;
SELECT g.*, e.* FROM ggml g, pg_temp.engine(type, block, bytes) e ORDER BY type;

-- Every name that safetensors has; a type of several weights in a byte takes them together.
SELECT s.name, l.data_type::text = s.name AS known, l.quantization_type
FROM unnest('{BOOL,F4,F6_E2M3,F6_E3M2,U8,I8,F8_E5M2,F8_E4M3,F8_E8M0,F8_E4M3FNUZ,F8_E5M2FNUZ,I16,U16,F16,BF16,I32,U32,F32,C64,F64,I64,U64}'::text[],
            '{8,4,6,6,8,8,8,8,8,8,8,16,16,16,16,32,32,32,64,64,64,64}'::int[]) AS s(name, bits)
CROSS JOIN LATERAL list_tensors(test.safetensors(format('{"t":{"dtype":"%s","shape":[8],"data_offsets":[0,%s]}}', s.name, s.bits),
                                                 decode(repeat('00', s.bits), 'hex'))) l;
-- No label of tensor_dtype is left without a file that has it.
SELECT unnest(enum_range(NULL::tensor_dtype))
EXCEPT SELECT (pg_temp.engine(type, block, bytes)).data_type FROM ggml
-- What ONNX, PyTorch and TensorFlow have besides.
EXCEPT SELECT unnest('{C128,I4,U4,I2,U2}'::tensor_dtype[])
EXCEPT SELECT unnest('{BOOL,F4,F6_E2M3,F6_E3M2,U8,I8,F8_E5M2,F8_E4M3,F8_E8M0,F8_E4M3FNUZ,F8_E5M2FNUZ,I16,U16,F16,BF16,I32,U32,F32,C64,F64,I64,U64}'::tensor_dtype[]);
-- Block-quantized types are those of quantization_type, but for the plain ones that it also names.
SELECT count(*) FROM unnest(enum_range(NULL::quantization_type)) q WHERE q::text NOT IN (SELECT unnest(enum_range(NULL::tensor_dtype))::text);

-- Every type of layer that a tensor's name can tell.
SELECT n AS name, layer_idx, layer_type
FROM unnest('{model.embed_tokens.weight,bert.embeddings.position_embeddings.weight,model.layers.11.self_attn.q_proj.weight,blk.3.ffn_down.weight,
    blk.7.attn_norm.weight,encoder.layer.2.attention.output.LayerNorm.bias,lm_head.weight,pooler.dense.bias,lstm.weight_ih_l0,conv1.weight,
    model.layers.5.block_sparse_moe.gate.weight,model.layers.5.mlp.experts.3.w1.weight,bn1.running_mean,unet.down_blocks.0.resnets.0.conv1.weight,
    time_embedding.linear_1.weight,backbone.layers.0.mixer.A_log,something}'::text[]) n,
    list_tensors(test.safetensors(format('{%s:{"dtype":"U8","shape":[0],"data_offsets":[0,0]}}', to_json(n)), ''));
