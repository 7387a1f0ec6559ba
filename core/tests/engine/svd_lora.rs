//! Adapters: that the factors are those of the difference, and that the files are what peft's
//! documentation says it reads.

use atomizer_core::svd::SvdError;
use atomizer_core::svd::lora::{
    AdapterModule, Lora, LoraError, adapter_bytes, extract_lora, has_conv1d, is_conv1d, module_of,
    write_adapter,
};
use safetensors::SafeTensors;
use serde_json::{Value, json};
use std::sync::atomic::AtomicBool;

static GO_ON: AtomicBool = AtomicBool::new(false);

fn noise(count: usize, seed: u64) -> Vec<f32> {
    let mut state = seed;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f32 / (1 << 23) as f32 - 1.0
    };
    (0..count).map(|_| next()).collect()
}

fn product(b: &[f32], a: &[f32], rank: usize) -> Vec<f32> {
    let inputs = a.len() / rank;
    let cell = |row: &[f32], j: usize| row.iter().enumerate().map(|(k, b)| b * a[k * inputs + j]).sum();
    b.chunks_exact(rank).flat_map(|row| (0..inputs).map(move |j| cell(row, j))).collect()
}

/// A base tensor, and one tuned by a difference of this rank.
fn tuned(outputs: usize, inputs: usize, rank: usize) -> (Vec<f32>, Vec<f32>, Vec<f32>) {
    let base = noise(outputs * inputs, 1);
    let difference = product(&noise(outputs * rank, 2), &noise(rank * inputs, 3), rank);
    let tuned = base.iter().zip(&difference).map(|(a, b)| a + b).collect();
    (base, tuned, difference)
}

fn lora(outputs: usize, inputs: usize, rank: usize) -> Lora {
    let (base, tuned, _) = tuned(outputs, inputs, rank);
    extract_lora(&base, &tuned, outputs, inputs, rank, &GO_ON).unwrap()
}

#[test]
fn a_difference_of_low_rank_is_found() {
    for (outputs, inputs, rank) in [(48, 64, 4), (700, 660, 8), (9, 3, 2)] {
        let (base, tuned, difference) = tuned(outputs, inputs, rank);
        let lora = extract_lora(&base, &tuned, outputs, inputs, rank, &GO_ON).unwrap();
        assert_eq!((lora.rank, lora.a.len(), lora.b.len()), (rank, rank * inputs, outputs * rank));
        assert!(lora.relative_error < 1e-5 && lora.explained_variance > 0.999_999);
        for (found, known) in product(&lora.b, &lora.a, rank).iter().zip(&difference) {
            assert!((found - known).abs() < 1e-4, "{found} {known}");
        }
        // Both factors carry the root of each singular value.
        for i in 0..rank {
            let of_a: f32 = lora.a[i * inputs..][..inputs].iter().map(|a| a * a).sum();
            let of_b: f32 = lora.b.chunks_exact(rank).map(|row| row[i] * row[i]).sum();
            assert!((of_a / of_b - 1.0).abs() < 1e-4, "{of_a} {of_b}");
        }
    }
}

#[test]
fn what_has_no_difference_is_said() {
    let same = extract_lora(&[1.5; 6], &[1.5; 6], 2, 3, 8, &GO_ON).unwrap();
    assert_eq!((same.rank, same.relative_error), (2, 0.0));
    assert!(same.a.iter().chain(&same.b).all(|value| *value == 0.0));
    let error = extract_lora(&[1.0; 6], &[1.0; 8], 2, 3, 1, &GO_ON).unwrap_err();
    assert_eq!(error.to_string(), "the base tensor has 6 weights but the tuned one has 8");
    let error = extract_lora(&[f32::MAX; 2], &[f32::MIN; 2], 1, 2, 1, &GO_ON).unwrap_err();
    assert!(matches!(error, LoraError::Svd(SvdError::NotFinite { .. })), "{error}");
}

fn module(name: &str, shape: &[u64], lora: Lora) -> AdapterModule {
    AdapterModule { module: name.to_owned(), shape: shape.to_vec(), is_conv1d: false, lora }
}

#[test]
fn the_files_are_as_peft_reads_them() {
    let (linear, convolution) = (lora(12, 10, 4), lora(6, 45, 3));
    let modules = [
        module("model.layers.0.q_proj", &[12, 10], linear.clone()),
        module("model.layers.1.q_proj", &[12, 10], lora(12, 10, 4)),
        module("model.conv", &[6, 5, 3, 3], convolution.clone()),
    ];
    let adapter = write_adapter(modules, Some("the/base")).unwrap();
    let tensors = SafeTensors::deserialize(&adapter.model).unwrap();
    let mut shapes: Vec<(&str, Vec<usize>)> =
        tensors.iter().map(|(name, tensor)| (name, tensor.shape().to_vec())).collect();
    shapes.sort();
    assert_eq!(
        shapes,
        [
            ("base_model.model.model.conv.lora_A.weight", vec![4, 5, 3, 3]),
            ("base_model.model.model.conv.lora_B.weight", vec![6, 4, 1, 1]),
            ("base_model.model.model.layers.0.q_proj.lora_A.weight", vec![4, 10]),
            ("base_model.model.model.layers.0.q_proj.lora_B.weight", vec![12, 4]),
            ("base_model.model.model.layers.1.q_proj.lora_A.weight", vec![4, 10]),
            ("base_model.model.model.layers.1.q_proj.lora_B.weight", vec![12, 4]),
        ]
    );
    let read = |name: &str| {
        let tensor = tensors.tensor(&format!("base_model.model.{name}.weight")).unwrap();
        assert_eq!(tensor.dtype(), safetensors::Dtype::F32);
        tensor.data().as_chunks().0.iter().map(|word| f32::from_le_bytes(*word)).collect::<Vec<f32>>()
    };
    assert_eq!(read("model.layers.0.q_proj.lora_A"), linear.a);
    // Filled up with zeros, the product is the same.
    let (a, b) = (read("model.conv.lora_A"), read("model.conv.lora_B"));
    assert_eq!(product(&b, &a, 4), product(&convolution.b, &convolution.a, 3));
    let (_, metadata) = SafeTensors::read_metadata(&adapter.model).unwrap();
    assert_eq!(metadata.metadata().as_ref().unwrap()["format"], "pt");

    let config: Value = serde_json::from_str(&adapter.config).unwrap();
    assert_eq!(config["peft_type"], "LORA");
    assert_eq!((&config["r"], &config["lora_alpha"]), (&json!(4), &json!(4)));
    let targets = r"model\.conv|model\.layers\.0\.q_proj|model\.layers\.1\.q_proj";
    assert_eq!(config["target_modules"], targets);
    assert_eq!(config["base_model_name_or_path"], "the/base");
    assert_eq!((&config["bias"], &config["fan_in_fan_out"]), (&json!("none"), &json!(false)));
}

#[test]
fn adapters_that_make_no_sense_are_refused() {
    let twice = [module("a", &[12, 10], lora(12, 10, 4)), module("a", &[12, 10], lora(12, 10, 4))];
    assert_eq!(write_adapter(twice, None).unwrap_err().to_string(), "module \"a\" occurs twice");
    assert!(matches!(write_adapter([], None), Err(LoraError::Empty)));
    for shape in [&[10, 12][..], &[120], &[12, 10, 2], &[u64::MAX, u64::MAX]] {
        let error = write_adapter([module("a", shape, lora(12, 10, 4))], None).unwrap_err();
        assert!(matches!(error, LoraError::Shape { .. }), "{error}");
    }
}

/// Weights that are inputs × outputs: what peft adds is (B·A) transposed.
#[test]
fn a_conv1d_has_its_factors_the_other_way_round() {
    let (base, tuned, difference) = tuned(8, 24, 2);
    let lora = extract_lora(&base, &tuned, 8, 24, 2, &GO_ON).unwrap();
    let layer = AdapterModule { module: "h.0.attn.c_attn".into(), shape: vec![8, 24], is_conv1d: true, lora };
    let adapter = write_adapter([layer], None).unwrap();
    let tensors = SafeTensors::deserialize(&adapter.model).unwrap();
    let read = |factor: &str, shape: &[usize]| {
        let name = format!("base_model.model.h.0.attn.c_attn.lora_{factor}.weight");
        let tensor = tensors.tensor(&name).unwrap();
        assert_eq!(tensor.shape(), shape);
        tensor.data().as_chunks().0.iter().map(|word| f32::from_le_bytes(*word)).collect::<Vec<f32>>()
    };
    let added = product(&read("B", &[24, 2]), &read("A", &[2, 8]), 2);
    for (i, known) in difference.iter().enumerate() {
        let found = added[i % 24 * 8 + i / 24];
        assert!((found - known).abs() < 1e-4, "{found} {known}");
    }
    let config: Value = serde_json::from_str(&adapter.config).unwrap();
    assert_eq!(config["fan_in_fan_out"], true);
}

#[test]
fn layers_that_peft_adapts_are_known_by_name_and_shape() {
    for (tensor, shape, module) in [
        ("model.layers.0.q_proj.weight", &[8, 8][..], Some("model.layers.0.q_proj")),
        ("model.layers.0.q_proj.bias", &[8], None),
        (".weight", &[8, 8], None),
        ("norm.weight", &[8], None),
        ("bert.embeddings.word_embeddings.weight", &[99, 8], None),
        ("text_model.embeddings.token_embedding.weight", &[99, 8], None),
        ("encoder.block.0.layer.0.SelfAttention.relative_attention_bias.weight", &[32, 4], None),
        ("transformer.wte.weight", &[99, 8], None),
        (
            "vit.embeddings.patch_embeddings.projection.weight",
            &[8, 3, 4, 4],
            Some("vit.embeddings.patch_embeddings.projection"),
        ),
        ("embeddings.proj.weight", &[8, 8], Some("embeddings.proj")),
        ("encoder.embedding_hidden_mapping_in.weight", &[8, 4], Some("encoder.embedding_hidden_mapping_in")),
        ("depthwise.weight", &[32, 1, 3, 3], None),
        ("decoder.upsample.0.weight", &[8, 8, 2, 2], None),
        ("ups.0.weight", &[8, 8, 4], None),
    ] {
        assert_eq!(module_of(tensor, shape), module, "{tensor}");
    }
    let gpt2 = [("h.0.attn.c_attn.weight", &[8u64, 24][..])];
    let nano = [("h.0.attn.c_attn.weight", &[24u64, 8][..])];
    assert!(has_conv1d(gpt2.into_iter()) && !has_conv1d(nano.into_iter()));
    assert!(is_conv1d("h.0.mlp.c_fc") && !is_conv1d("lm_head"));
}

#[test]
fn what_a_file_takes_is_known_before() {
    let module = |name: &str, outputs, inputs, rank| AdapterModule {
        module: name.into(),
        shape: vec![outputs as u64, inputs as u64],
        is_conv1d: false,
        lora: lora(outputs, inputs, rank),
    };
    let modules = [module("a", 40, 30, 2), module("b", 20, 10, 5)];
    // Filled up to rank 5: three times 4 bytes of (40 + 30 + 20 + 10) · 5.
    assert_eq!(adapter_bytes(&modules), 3 * 4 * 100 * 5);
    let file = write_adapter(modules.clone(), None).unwrap().model;
    assert!((2000..4000).contains(&file.len()), "the factors and a header: {}", file.len());
    assert_eq!(adapter_bytes(&[]), 0);
    assert!(!modules[0].lora.is_zero());
    let base = noise(40 * 30, 1);
    assert!(extract_lora(&base, &base, 40, 30, 2, &GO_ON).unwrap().is_zero());
}
