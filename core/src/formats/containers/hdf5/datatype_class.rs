//! The data types that are told apart.

use crate::dtype::Dtype;

/// A data type, as far as it matters here.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Datatype {
    /// Numbers that a tensor may hold.
    Number {
        dtype: Dtype,
        /// Bytes of one word that stand in big-endian order; 1 where there is nothing to reverse.
        swap: usize,
    },
    /// Text of a fixed length in bytes, padded with zeros or spaces.
    Text { size: u32 },
    /// Text of any length, which stands in a global heap.
    VariableText,
    /// Bytes without a meaning.
    Opaque { size: u32 },
    /// Anything else.
    Other { size: u32, what: &'static str },
}

impl Datatype {
    /// Bytes of one element.
    pub(super) fn size(&self) -> u64 {
        match self {
            Self::Number { dtype, .. } => dtype.info().block_bytes.into(),
            Self::Text { size } | Self::Opaque { size } | Self::Other { size, .. } => (*size).into(),
            Self::VariableText => 0, // depends on the width of addresses; nobody asks
        }
    }

    /// What a dataset of this type is, for the list of what was left out.
    pub(super) fn describe(&self) -> String {
        match self {
            Self::Number { dtype, .. } => dtype.name().to_owned(),
            Self::Text { .. } | Self::VariableText => "text".to_owned(),
            Self::Opaque { size } => format!("opaque values of {size} bytes"),
            Self::Other { size, what } => format!("{what} of {size} bytes"),
        }
    }
}
