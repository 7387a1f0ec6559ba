//! Caps that hold for every format, and why.

use super::error::{ParseError, malformed, too_large};

/// Most tensors of one model, five times what the largest have. A tensor takes ten times the memory
/// of its entry in a file, and a file may be all entries.
const MAX_TENSORS: u64 = 1 << 20;

/// More axes than any framework has; keeps a hostile shape small.
pub(crate) const MAX_DIMS: usize = 64;

/// Most files of one model that are open all the time: shards. Each keeps a descriptor, and Postgres leaves a backend
/// about 1000.
pub(crate) const MAX_FILES: usize = 512;

/// Most files of one model whose paths are in its content, or of a folder: external data, one file for each tensor.
/// They are opened as they are read; each is a row of `model_file`, and its other bytes are a content.
pub(crate) const MAX_FILES_BENEATH: usize = 1 << 16;

/// Refuses more tensors than [`MAX_TENSORS`].
pub(crate) fn check_tensor_count(count: u64) -> Result<(), ParseError> {
    if count > MAX_TENSORS {
        return Err(too_large!("the model has {count} tensors (at most {MAX_TENSORS})"));
    }
    Ok(())
}

/// Number of weights of a shape. It and every extent must fit a bigint, also where one is zero.
pub(crate) fn weight_count(name: &str, shape: &[u64]) -> Result<u64, ParseError> {
    let fits = |n: u64| i64::try_from(n).is_ok();
    shape
        .iter()
        .try_fold(1u64, |product, &extent| {
            let product = product.checked_mul(extent)?;
            (fits(product) && fits(extent)).then_some(product)
        })
        .ok_or_else(|| malformed!("tensor \"{name}\" of shape {shape:?} has 2^63 weights or more"))
}
