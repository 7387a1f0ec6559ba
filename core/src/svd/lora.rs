//! Low-rank adapters: the difference of a fine-tuned model from its base, in the files that peft reads.

use super::{SvdError, decompose, matrix_shape, reserved};
use safetensors::{Dtype, View};
use serde_json::{Map, Value, json};
use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::AtomicBool;

/// Why an adapter was not made.
#[derive(Debug, thiserror::Error)]
pub enum LoraError {
    /// The difference could not be decomposed.
    #[error(transparent)]
    Svd(#[from] SvdError),
    /// The two tensors do not have the same number of weights.
    #[error("the base tensor has {base} weights but the tuned one has {tuned}")]
    Lengths {
        /// Weights of the base tensor.
        base: usize,
        /// Weights of the tuned tensor.
        tuned: usize,
    },
    /// The factors do not fit the layer's shape.
    #[error(
        "module \"{module}\" of shape {shape:?} cannot have factors of {a} and {b} weights at rank {rank}"
    )]
    Shape {
        /// The module.
        module: String,
        /// Shape of its weight.
        shape: Vec<u64>,
        /// Rank of the factors.
        rank: usize,
        /// Weights of A.
        a: usize,
        /// Weights of B.
        b: usize,
    },
    /// Two layers have one name.
    #[error("module \"{0}\" occurs twice")]
    Twice(String),
    /// There is no layer to write.
    #[error("an adapter without modules cannot be written")]
    Empty,
    /// The file could not be composed.
    #[error("cannot compose the adapter's safetensors file: {0}")]
    File(#[from] safetensors::SafeTensorError),
}

/// The factors of one layer's difference, B·A ≈ tuned − base. Singular values are shared out evenly,
/// the root of each to both.
#[derive(Debug, Clone, PartialEq)]
pub struct Lora {
    /// The rank: the one asked for, or that of a full matrix of this shape.
    pub rank: usize,
    /// A, rank × inputs.
    pub a: Vec<f32>,
    /// B, outputs × rank.
    pub b: Vec<f32>,
    /// Share of the difference's sum of squares that the factors have.
    pub explained_variance: f64,
    /// ‖tuned − base − B·A‖ ÷ ‖tuned − base‖ in the Frobenius norm.
    pub relative_error: f64,
}

/// Factors the difference of two tensors, read as outputs × inputs.
///
/// # Errors
/// [`LoraError::Lengths`]; [`LoraError::Svd`], also where a difference is not finite.
pub fn extract_lora(
    base: &[f32],
    tuned: &[f32],
    outputs: usize,
    inputs: usize,
    rank: usize,
    cancel: &AtomicBool,
) -> Result<Lora, LoraError> {
    if base.len() != tuned.len() {
        return Err(LoraError::Lengths { base: base.len(), tuned: tuned.len() });
    }
    let mut difference = reserved(base.len())?;
    difference.extend(tuned.iter().zip(base).map(|(tuned, base)| tuned - base));
    let mut svd = decompose(&difference, outputs, inputs, rank, cancel)?;
    let roots: Vec<f32> = svd.s.iter().map(|s| s.sqrt()).collect();
    for row in svd.u.chunks_exact_mut(svd.rank) {
        row.iter_mut().zip(&roots).for_each(|(value, root)| *value *= root);
    }
    for (row, root) in svd.vt.chunks_exact_mut(inputs).zip(&roots) {
        row.iter_mut().for_each(|value| *value *= root);
    }
    Ok(Lora {
        rank: svd.rank,
        a: svd.vt,
        b: svd.u,
        explained_variance: svd.explained_variance,
        relative_error: svd.relative_error,
    })
}

/// One layer of an adapter.
#[derive(Debug, Clone)]
pub struct AdapterModule {
    /// The layer's name in the model: its weight's name without `.weight`.
    pub module: String,
    /// Shape of its weight: outputs, inputs, and a convolution's extents.
    pub shape: Vec<u64>,
    /// The factors.
    pub lora: Lora,
}

/// The two files of an adapter.
#[derive(Debug, Clone)]
pub struct Adapter {
    /// `adapter_model.safetensors`.
    pub model: Vec<u8>,
    /// `adapter_config.json`.
    pub config: String,
}

/// The layer that a tensor is the weight of. None for biases and the like, which have no factors.
pub fn module_of(tensor: &str) -> Option<&str> {
    tensor.strip_suffix(".weight").filter(|module| !module.is_empty())
}

/// Composes an adapter that peft loads onto the base model. Layers are linear or convolutions:
/// peft has its own layout for embeddings, and for layers whose weight is inputs × outputs.
///
/// The format is that of peft's documentation, "PEFT checkpoint format": tensors are named
/// `base_model.model.{module}.lora_A.weight` and `.lora_B.weight`, a convolution's A has its extents and
/// its B extents of 1, and what is added to a weight is `lora_alpha` ÷ `r` times B·A. So `lora_alpha` is
/// `r`, for each layer whose rank differs too.
///
/// # Errors
/// [`LoraError::Shape`], [`LoraError::Twice`], [`LoraError::Empty`], [`LoraError::File`].
pub fn write_adapter(
    modules: impl IntoIterator<Item = AdapterModule>,
    base_model: Option<&str>,
) -> Result<Adapter, LoraError> {
    let mut tensors = BTreeMap::new();
    let mut ranks = BTreeMap::new();
    for AdapterModule { module, shape, lora } in modules {
        let Lora { rank, a, b, .. } = lora;
        let sides = matrix_shape(&shape).filter(|_| shape.len() > 1);
        let lengths = sides.map(|(outputs, inputs)| (inputs.checked_mul(rank), outputs.checked_mul(rank)));
        if rank == 0 || lengths != Some((Some(a.len()), Some(b.len()))) {
            return Err(LoraError::Shape { module, shape, rank, a: a.len(), b: b.len() });
        }
        // The sizes are those of vectors that are there, so each fits.
        let shape: Vec<usize> = shape.into_iter().map(|size| size as usize).collect();
        let (mut of_a, mut of_b) = (shape.clone(), vec![1; shape.len()]);
        of_a[0] = rank;
        (of_b[0], of_b[1]) = (shape[0], rank);
        tensors.insert(format!("base_model.model.{module}.lora_A.weight"), Factor { shape: of_a, values: a });
        tensors.insert(format!("base_model.model.{module}.lora_B.weight"), Factor { shape: of_b, values: b });
        if ranks.insert(module.clone(), rank).is_some() {
            return Err(LoraError::Twice(module));
        }
    }
    // The most frequent rank is the adapter's, others are exceptions.
    let mut frequency: BTreeMap<usize, usize> = BTreeMap::new();
    ranks.values().for_each(|rank| *frequency.entry(*rank).or_default() += 1);
    let Some((&rank, _)) = frequency.iter().max_by_key(|(rank, count)| (**count, **rank)) else {
        return Err(LoraError::Empty);
    };
    let exceptions: Map<String, Value> = ranks
        .iter()
        .filter(|(_, other)| **other != rank)
        .map(|(module, other)| (module.clone(), json!(other)))
        .collect();
    let config = json!({
        "alpha_pattern": exceptions,
        "base_model_name_or_path": base_model,
        "bias": "none",
        "fan_in_fan_out": false,
        "inference_mode": true,
        "init_lora_weights": true,
        "lora_alpha": rank,
        "lora_dropout": 0.0,
        "modules_to_save": null,
        "peft_type": "LORA",
        "r": rank,
        "rank_pattern": exceptions,
        "target_modules": ranks.keys().collect::<Vec<_>>(),
        "task_type": null,
        "use_rslora": false,
    });
    let metadata = HashMap::from([("format".to_string(), "pt".to_string())]);
    Ok(Adapter { model: safetensors::serialize(tensors, Some(metadata))?, config: format!("{config:#}\n") })
}

/// A factor as a tensor of the file.
struct Factor {
    shape: Vec<usize>,
    values: Vec<f32>,
}

impl View for Factor {
    fn dtype(&self) -> Dtype {
        Dtype::F32
    }

    fn shape(&self) -> &[usize] {
        &self.shape
    }

    fn data(&self) -> Cow<'_, [u8]> {
        self.values.iter().flat_map(|value| value.to_le_bytes()).collect::<Vec<u8>>().into()
    }

    fn data_len(&self) -> usize {
        self.values.len() * size_of::<f32>()
    }
}
