//! Adapters: that the factors are those of the difference, and that the files are what peft's
//! documentation says it reads.

use atomizer_core::svd::SvdError;
use atomizer_core::svd::lora::{AdapterModule, Lora, LoraError, extract_lora, module_of, write_adapter};
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
    AdapterModule { module: name.to_owned(), shape: shape.to_vec(), lora }
}

#[test]
fn the_files_are_as_peft_reads_them() {
    assert_eq!(module_of("model.layers.0.q_proj.weight"), Some("model.layers.0.q_proj"));
    assert_eq!((module_of("model.layers.0.q_proj.bias"), module_of(".weight")), (None, None));
    let linear = lora(12, 10, 4);
    let modules = [
        module("model.layers.0.q_proj", &[12, 10], linear.clone()),
        module("model.layers.1.q_proj", &[12, 10], lora(12, 10, 4)),
        module("model.conv", &[6, 5, 3, 3], lora(6, 45, 3)),
    ];
    let adapter = write_adapter(modules, Some("the/base")).unwrap();
    let tensors = SafeTensors::deserialize(&adapter.model).unwrap();
    let mut shapes: Vec<(&str, Vec<usize>)> =
        tensors.iter().map(|(name, tensor)| (name, tensor.shape().to_vec())).collect();
    shapes.sort();
    assert_eq!(
        shapes,
        [
            ("base_model.model.model.conv.lora_A.weight", vec![3, 5, 3, 3]),
            ("base_model.model.model.conv.lora_B.weight", vec![6, 3, 1, 1]),
            ("base_model.model.model.layers.0.q_proj.lora_A.weight", vec![4, 10]),
            ("base_model.model.model.layers.0.q_proj.lora_B.weight", vec![12, 4]),
            ("base_model.model.model.layers.1.q_proj.lora_A.weight", vec![4, 10]),
            ("base_model.model.model.layers.1.q_proj.lora_B.weight", vec![12, 4]),
        ]
    );
    let a = tensors.tensor("base_model.model.model.layers.0.q_proj.lora_A.weight").unwrap();
    let values: Vec<f32> = a.data().as_chunks().0.iter().map(|word| f32::from_le_bytes(*word)).collect();
    assert_eq!((a.dtype(), values), (safetensors::Dtype::F32, linear.a));
    let (_, metadata) = SafeTensors::read_metadata(&adapter.model).unwrap();
    assert_eq!(metadata.metadata().as_ref().unwrap()["format"], "pt");

    let config: Value = serde_json::from_str(&adapter.config).unwrap();
    assert_eq!(config["peft_type"], "LORA");
    assert_eq!((&config["r"], &config["lora_alpha"]), (&json!(4), &json!(4)));
    assert_eq!(config["rank_pattern"], json!({ "model.conv": 3 }));
    assert_eq!(config["alpha_pattern"], config["rank_pattern"]);
    assert_eq!(
        config["target_modules"],
        json!(["model.conv", "model.layers.0.q_proj", "model.layers.1.q_proj"])
    );
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
