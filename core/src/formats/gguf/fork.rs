//! Files of a fork of ggml that wrote blocks of 128 weights in 34 bytes under number 42, which is ggml's `Q2_0` of 64
//! weights in 18 bytes. Nothing in them says so but where their tensors lie: read as ggml's, their weights are wrong.

use crate::dtype::Dtype;
use crate::formats::error::{ParseError, malformed};
use crate::model::Tensor;
use crate::source::{Source, SourceError};

/// The fork's blocks.
const WEIGHTS: u64 = 128;
const BYTES: u64 = 34;
/// Longest tensor that is looked at; with the usual alignment, both lengths fit up to 504 bytes.
const MAX_BYTES: u64 = 64 << 10;

/// Refuses a file whose tensors of type 42 have the room of the fork's blocks, and not that of ggml's. Their offsets
/// are counted from the byte `data_start` on.
pub fn refuse(
    source: &dyn Source,
    tensors: &[Tensor],
    data_start: u64,
    alignment: u64,
) -> Result<(), ParseError> {
    let mut suspects: Vec<(&Tensor, u64)> = Vec::new();
    for tensor in tensors.iter().filter(|tensor| tensor.dtype == Dtype::Q2_0 && tensor.weight_count > 0) {
        let is_whole = tensor.shape.last().is_some_and(|row| row.is_multiple_of(WEIGHTS));
        let length = tensor.weight_count / WEIGHTS * BYTES;
        suspects.push((tensor, length));
        if !is_whole {
            return Ok(());
        }
    }
    if suspects.is_empty() {
        return Ok(());
    }
    let room = source.len().saturating_sub(data_start);
    let mut starts: Vec<u64> = tensors.iter().filter(|t| t.byte_length > 0).map(|t| t.offset).collect();
    starts.sort_unstable();
    for (tensor, length) in &suspects {
        let next = starts[starts.partition_point(|start| *start <= tensor.offset)..].first();
        let room = next.copied().unwrap_or(room).saturating_sub(tensor.offset);
        let filled = length.checked_next_multiple_of(alignment.max(1)).unwrap_or(u64::MAX);
        if room < tensor.byte_length && (room == *length || room == filled) {
            return Err(malformed!(
                "tensor \"{}\" has {room} bytes where Q2_0 takes {} (64 weights in 18): a fork of ggml wrote its blocks of 128 weights in 34 bytes under the same number, which are not read",
                tensor.name,
                tensor.byte_length
            ));
        }
    }
    // Few blocks fit with both lengths, as each tensor is filled up to the alignment: with zeros, where the fork's end.
    let mut is_empty = true;
    for (tensor, length) in &suspects {
        let bytes = length.checked_next_multiple_of(alignment.max(1)).unwrap_or(u64::MAX);
        let may_be = tensor.byte_length <= bytes.min(MAX_BYTES);
        if !may_be || !is_filled(source, data_start, tensor, *length, &mut is_empty)? {
            return Ok(());
        }
    }
    match is_empty {
        true => Ok(()),
        false => Err(malformed!(
            "tensors of type Q2_0 as \"{}\" end in zeros where blocks of 128 weights in 34 bytes end, which a fork of ggml wrote under the same number: they are not read",
            suspects[0].0.name
        )),
    }
}

/// True where a tensor has only zeros behind the fork's blocks. `is_empty` becomes false where others are before them.
fn is_filled(
    source: &dyn Source,
    data_start: u64,
    tensor: &Tensor,
    length: u64,
    is_empty: &mut bool,
) -> Result<bool, SourceError> {
    let Some(start) = data_start.checked_add(tensor.offset) else { return Ok(false) };
    if start.checked_add(tensor.byte_length).is_none_or(|end| end > source.len()) {
        return Ok(false);
    }
    let mut bytes = vec![0; tensor.byte_length as usize];
    source.read_at(start, &mut bytes)?;
    let (blocks, rest) = bytes.split_at(length as usize);
    *is_empty &= blocks.iter().all(|byte| *byte == 0);
    Ok(rest.iter().all(|byte| *byte == 0))
}
