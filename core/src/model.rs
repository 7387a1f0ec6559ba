//! What every parser produces: a model, its tensors, and where their bytes lie.

use crate::layers;
use crate::metadata::Metadata;
use crate::quant::Dtype;

/// A model file format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// llama.cpp's format, versions 2 and 3.
    Gguf,
    /// Hugging Face's safetensors, single or sharded.
    SafeTensors,
}

impl Format {
    /// Every format there is a parser for.
    pub const ALL: [Self; 2] = [Self::Gguf, Self::SafeTensors];

    /// The name in SQL (enum `model_format`).
    pub fn name(self) -> &'static str {
        match self {
            Self::Gguf => "GGUF",
            Self::SafeTensors => "SafeTensors",
        }
    }

    /// The format of a name, whatever its case.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|format| format.name().eq_ignore_ascii_case(name))
    }
}

/// One tensor of a model, as its file's header describes it.
#[derive(Debug, Clone, PartialEq)]
pub struct Tensor {
    /// The name in the file.
    pub name: String,
    /// Logical order, outermost first; empty for a scalar.
    pub shape: Vec<u64>,
    /// How the weights are stored.
    pub dtype: Dtype,
    /// Which file of the model holds the bytes, from 0.
    pub file_no: usize,
    /// First byte within that file.
    pub offset: u64,
    /// Number of bytes.
    pub byte_length: u64,
    /// Number of weights: the product of the shape.
    pub weight_count: u64,
}

impl Tensor {
    /// The kind of layer the tensor's name tells.
    pub fn layer_type(&self) -> layers::LayerType {
        layers::classify(&self.name)
    }

    /// The number of the layer in the tensor's name.
    pub fn layer_idx(&self) -> Option<i32> {
        layers::index(&self.name)
    }
}

/// One model: the parsed headers of all of its files.
#[derive(Debug, Clone)]
pub struct Model {
    /// The format of its files.
    pub format: Format,
    /// `llama`, `bert`, …; `unknown` when neither metadata nor names tell.
    pub architecture: String,
    /// Key-value pairs of the header, in file order.
    pub metadata: Metadata,
    /// Tensors in the order of files and, within a file, of their bytes.
    pub tensors: Vec<Tensor>,
}

impl Model {
    /// Number of weights over all tensors; saturates, which no real file can reach.
    pub fn parameter_count(&self) -> u64 {
        self.tensors.iter().fold(0, |sum, tensor| sum.saturating_add(tensor.weight_count))
    }
}

/// Row-major coordinates of a weight: x runs along the last axis, y along the one before it, z
/// over all earlier axes together.
pub fn position(shape: &[u64], index: u64) -> (u64, u64, u64) {
    let width = shape.last().copied().unwrap_or(1).max(1);
    let height = shape.len().checked_sub(2).map_or(1, |axis| shape[axis].max(1));
    let row = index / width;
    (index % width, row % height, row / height)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_are_row_major() {
        assert_eq!(position(&[], 0), (0, 0, 0));
        assert_eq!(position(&[5], 4), (4, 0, 0));
        assert_eq!(position(&[3, 5], 7), (2, 1, 0));
        assert_eq!(position(&[2, 3, 4], 23), (3, 2, 1));
        assert_eq!(position(&[2, 2, 3, 4], 47), (3, 2, 3));
    }
}
