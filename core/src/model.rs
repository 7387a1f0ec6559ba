//! What every parser produces: a model, its tensors, and where their bytes lie.

use crate::byte_range::ByteRange;
use crate::dtype::Dtype;
use crate::file_layout::Ranges;
use crate::lazy_tensor::LazyTensor;
use crate::metadata::{Metadata, UNLISTED, Value, WARNINGS, push_texts};
use crate::source::{Source, SourceError};
use std::sync::Arc;

macro_rules! formats {
    ($($(#[doc = $doc:literal])* $variant:ident = $name:literal,)*) => {
        /// A model file format.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Format { $($(#[doc = $doc])* $variant,)* }

        impl Format {
            /// Every format there is a reader for.
            pub const ALL: [Self; [$($name),*].len()] = [$(Self::$variant),*];

            /// The name in SQL (enum `model_format`).
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }
        }
    };
}

formats! {
    /// llama.cpp's format, versions 2 and 3.
    Gguf = "GGUF",
    /// Hugging Face's safetensors, single or sharded.
    SafeTensors = "SafeTensors",
    /// The Open Neural Network Exchange's.
    Onnx = "ONNX",
    /// torch.save and TorchScript, single or sharded, zip or legacy.
    PyTorch = "PyTorch",
    /// SavedModel folders, checkpoints, frozen graphs, and Keras' HDF5 files and `.keras` archives.
    TensorFlow = "TensorFlow",
    /// NumPy's arrays, one or an archive of them.
    NumPy = "NumPy",
}

impl Format {
    /// The format of a name, whatever its case.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|format| format.name().eq_ignore_ascii_case(name))
    }
}

/// The scale and zero point of a tensor that is quantized as a whole: `(code − zero_point) · scale`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Affine {
    /// Distance of two neighbouring values.
    pub scale: f64,
    /// The code of zero.
    pub zero_point: i32,
}

/// One tensor of a model, as its file's header describes it.
#[derive(Debug, Clone)]
pub struct Tensor {
    /// The name in the file.
    pub name: String,
    /// Logical order, outermost first; empty for a scalar.
    pub shape: Vec<u64>,
    /// How the weights are stored.
    pub dtype: Dtype,
    /// Which file of the model holds the bytes, from 0.
    pub file_no: usize,
    /// First byte within that file; without a meaning when `lazy` says how to get the bytes.
    pub offset: u64,
    /// Number of bytes.
    pub byte_length: u64,
    /// Number of weights: the product of the shape.
    pub weight_count: u64,
    /// How the bytes are computed, where they do not stand in the file in one piece as they are.
    pub lazy: Option<Arc<dyn LazyTensor>>,
    /// Scale and zero point, where the whole tensor has one.
    pub affine: Option<Affine>,
}

impl Tensor {
    /// Where the bytes stand in the tensor's file; none where they are computed.
    pub fn range(&self) -> Option<ByteRange> {
        self.lazy.is_none().then_some(ByteRange::new(self.offset, self.byte_length))
    }

    /// The tensor's bytes, as a source of their own.
    ///
    /// # Errors
    /// [`SourceError`] when they cannot be computed.
    pub fn open<'a>(&self, file: &'a dyn Source) -> Result<Box<dyn Source + 'a>, SourceError> {
        let source = match &self.lazy {
            Some(lazy) => lazy.open(file)?,
            None => Box::new(Ranges::new(file, [ByteRange::new(self.offset, self.byte_length)])),
        };
        if source.len() != self.byte_length {
            return Err(SourceError::Malformed(format!(
                "tensor \"{}\" has {} bytes, not {}",
                self.name,
                source.len(),
                self.byte_length
            )));
        }
        Ok(source)
    }
}

/// The architecture of a model of which neither metadata nor names tell it.
pub const UNKNOWN_ARCHITECTURE: &str = "unknown";

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
    /// A model of these tensors, whose architecture is still to be detected from their names.
    pub(crate) fn new(format: Format, metadata: Metadata, tensors: Vec<Tensor>) -> Self {
        Self { format, architecture: UNKNOWN_ARCHITECTURE.into(), metadata, tensors }
    }

    /// What was seen in the files and is not listed as a tensor: how many, and the first ones with their reasons.
    pub fn unlisted(&self) -> (u64, Vec<&str>) {
        // The last one: a key that a file has itself stands before it.
        let found = self.metadata.iter().rev().find(|(key, _)| key == UNLISTED);
        let Some((_, Value::Array(array))) = found else { return (0, Vec::new()) };
        let mut texts = Vec::new();
        for value in &array.head {
            if let Value::Text(text) = value {
                texts.push(text.as_str());
            }
        }
        (array.count, texts)
    }

    /// Adds what is wrong with the files and hinders nobody from reading them.
    pub fn warn(&mut self, warnings: Vec<String>) {
        push_texts(&mut self.metadata, WARNINGS, warnings.into_iter());
    }

    /// Number of weights over all tensors; saturates, which no real file can reach.
    pub fn parameter_count(&self) -> u64 {
        self.tensors.iter().fold(0, |sum, tensor| sum.saturating_add(tensor.weight_count))
    }
}
