//! Low-rank adapters: the difference of a fine-tuned model from its base, in the files that peft reads.

use super::decompose;
use super::error::{SvdError, reserved};
use super::sides::matrix_shape;
use safetensors::{Dtype, View};
use serde_json::json;
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

impl Lora {
    /// True where there is no difference: other bytes, yet the same numbers, of another data type or with
    /// another zero.
    pub fn is_zero(&self) -> bool {
        self.b.iter().all(|value| *value == 0.0)
    }
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
    /// Its weight is inputs × outputs instead, as in GPT-2's layers: see [`has_conv1d`].
    pub is_conv1d: bool,
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

/// The linear layer or convolution that a tensor is the weight of, where peft can adapt it: none for
/// biases; for embeddings, which have another layout and are tied to other layers often; for depthwise
/// and transposed convolutions, which peft refuses with the whole adapter. A weight's shape does not tell
/// these apart, so names do, as the libraries of models choose them.
pub fn module_of<'a>(tensor: &'a str, shape: &[u64]) -> Option<&'a str> {
    const EMBEDDINGS: [&str; 6] = ["wte", "wpe", "shared", "tok", "tokens", "relative_attention_bias"];
    const LINEAR_ENDS: [&str; 4] = ["proj", "projection", "mapping_in", "linear"];
    const TRANSPOSED: [&str; 3] = ["upsample", "deconv", "conv_transpose"];
    let module = tensor.strip_suffix(".weight").filter(|module| !module.is_empty())?;
    let last = module.rsplit('.').next().unwrap_or(module);
    let is_adapted = match shape {
        [] | [_] => false,
        [_, _] => {
            LINEAR_ENDS.iter().any(|end| last.ends_with(end))
                || !(last.contains("emb") || EMBEDDINGS.contains(&last))
        }
        [outputs, inputs, ..] => {
            let is_depthwise = *inputs == 1 && *outputs > 1;
            let is_transposed = TRANSPOSED.iter().any(|name| module.contains(name))
                || module.split('.').any(|word| word == "ups");
            !is_depthwise && !is_transposed
        }
    };
    is_adapted.then_some(module)
}

/// True for a model with layers of the class `Conv1D`, whose weights are inputs × outputs: those of
/// GPT-2 as Hugging Face has it, in which one layer makes queries, keys and values of its input.
pub fn has_conv1d<'a>(mut tensors: impl Iterator<Item = (&'a str, &'a [u64])>) -> bool {
    tensors.any(|(name, shape)| {
        name.ends_with("c_attn.weight")
            && matches!(shape, [inputs, outputs] if inputs.checked_mul(3) == Some(*outputs))
    })
}

/// True for a layer that is a `Conv1D` in a model that has them.
pub fn is_conv1d(module: &str) -> bool {
    let last = module.rsplit('.').next().unwrap_or(module);
    matches!(last, "c_attn" | "q_attn" | "c_proj" | "c_fc")
}

/// Composes an adapter that peft loads onto the base model. Layers are those of [`module_of`].
///
/// The format is that of peft's documentation, "PEFT checkpoint format": tensors are named
/// `base_model.model.{module}.lora_A.weight` and `.lora_B.weight`, a convolution's A has its extents and
/// its B extents of 1, and what is added to a weight is `lora_alpha` ÷ `r` times B·A, transposed for a
/// `Conv1D`. So `lora_alpha` is `r`, which is one for all layers: factors of a lower rank are filled up
/// with zeros. Ranks of single layers are an addition of later versions, and are looked up by the ends of
/// names, as are layers in a list; an expression has to match the whole name.
///
/// # Errors
/// [`LoraError::Shape`], [`LoraError::Twice`], [`LoraError::Empty`], [`LoraError::File`].
pub fn write_adapter(
    modules: impl IntoIterator<Item = AdapterModule>,
    base_model: Option<&str>,
) -> Result<Adapter, LoraError> {
    let modules: Vec<AdapterModule> = modules.into_iter().collect();
    let Some(r) = modules.iter().map(|module| module.lora.rank).max() else {
        return Err(LoraError::Empty);
    };
    let mut tensors = BTreeMap::new();
    let mut names = Vec::new();
    let are_conv1d = modules.iter().all(|module| module.is_conv1d);
    for AdapterModule { module, shape, is_conv1d, lora } in modules {
        let Lora { rank, a, b, .. } = lora;
        let sides = matrix_shape(&shape).filter(|_| shape.len() > 1);
        let lengths = sides.map(|(outputs, inputs)| (inputs.checked_mul(rank), outputs.checked_mul(rank)));
        if rank == 0 || lengths != Some((Some(a.len()), Some(b.len()))) {
            return Err(LoraError::Shape { module, shape, rank, a: a.len(), b: b.len() });
        }
        // The sizes are those of vectors that are there, so each fits.
        let shape: Vec<usize> = shape.into_iter().map(|size| size as usize).collect();
        let (mut of_a, mut of_b) = (shape.clone(), vec![1; shape.len()]);
        of_a[0] = r;
        (of_b[0], of_b[1]) = (shape[0], r);
        let (mut a, mut b) = (a, widened(&b, rank, r));
        a.resize(a.len() / rank * r, 0.0);
        if is_conv1d && let [inputs, outputs] = shape[..] {
            (a, b) = (transposed(&b, r), transposed(&a, outputs));
            (of_a, of_b) = (vec![r, inputs], vec![outputs, r]);
        }
        let name = |factor| format!("base_model.model.{module}.lora_{factor}.weight");
        tensors.insert(name('A'), Factor { shape: of_a, values: a });
        if tensors.insert(name('B'), Factor { shape: of_b, values: b }).is_some() {
            return Err(LoraError::Twice(module));
        }
        names.push(escaped(&module));
    }
    names.sort_unstable();
    let config = json!({
        "base_model_name_or_path": base_model,
        "bias": "none",
        "fan_in_fan_out": are_conv1d,
        "inference_mode": true,
        "init_lora_weights": true,
        "lora_alpha": r,
        "lora_dropout": 0.0,
        "modules_to_save": null,
        "peft_type": "LORA",
        "r": r,
        "target_modules": names.join("|"),
        "task_type": null,
    });
    let metadata = HashMap::from([("format".to_string(), "pt".to_string())]);
    Ok(Adapter { model: safetensors::serialize(tensors, Some(metadata))?, config: format!("{config:#}\n") })
}

/// Bytes that [`write_adapter`] takes at most: the file, and what it is composed of, filled up to one rank.
pub fn adapter_bytes(modules: &[AdapterModule]) -> u64 {
    let r = modules.iter().map(|module| module.lora.rank).max().unwrap_or(0);
    let values = modules.iter().map(|module| {
        let Lora { a, b, rank, .. } = &module.lora;
        ((a.len() + b.len()) / rank.max(&1) * r) as u64
    });
    values.sum::<u64>().saturating_mul(3 * size_of::<f32>() as u64)
}

/// Rows of `from` columns with zeros up to `to` columns.
fn widened(values: &[f32], from: usize, to: usize) -> Vec<f32> {
    let zeros = || std::iter::repeat_n(0.0, to - from);
    values.chunks_exact(from).flat_map(|row| row.iter().copied().chain(zeros())).collect()
}

/// A matrix of so many columns, transposed.
fn transposed(values: &[f32], columns: usize) -> Vec<f32> {
    (0..columns).flat_map(|column| values.iter().skip(column).step_by(columns).copied()).collect()
}

/// A name as a regular expression of Python's that matches it alone.
fn escaped(name: &str) -> String {
    let mut out = String::with_capacity(name.len() + 8);
    for letter in name.chars() {
        if letter.is_ascii() && !letter.is_ascii_alphanumeric() && letter != '_' {
            out.push('\\');
        }
        out.push(letter);
    }
    out
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
