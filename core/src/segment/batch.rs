//! Encoding and decoding many segments at once, on the worker threads.

use super::encoding::{Decoder, Encoder, SegmentError};
use rayon::prelude::*;
use std::cell::RefCell;

thread_local! {
    static ENCODER: RefCell<Encoder> = RefCell::default();
    static DECODER: RefCell<Decoder> = RefCell::default();
}

/// Encodes segments, each with its stride, on all threads, while one of them also goes through the
/// raw bytes in order. `encoded` keeps its memory from one call to the next. Call it within [`run_on_pool_while`](crate::parallel::run_on_pool_while).
pub fn encode_all(
    raw: &[(Vec<u8>, usize)],
    encoded: &mut Vec<Vec<u8>>,
    mut each: impl FnMut(usize, &[u8]) + Send,
) {
    encoded.resize_with(raw.len(), Vec::new);
    rayon::join(
        || {
            raw.par_iter().zip(encoded).for_each(|((raw, stride), encoded)| {
                ENCODER.with_borrow_mut(|encoder| encoder.encode(raw, *stride, encoded));
            });
        },
        || raw.iter().enumerate().for_each(|(index, (raw, _))| each(index, raw)),
    );
}

/// Decodes segments on all threads. `raw` keeps its memory from one call to the next. Call it
/// within [`run_on_pool_while`](crate::parallel::run_on_pool_while).
///
/// # Errors
/// The number of a damaged segment, and what is wrong with it.
pub fn decode_all(encoded: &[Vec<u8>], raw: &mut Vec<Vec<u8>>) -> Result<(), (usize, SegmentError)> {
    raw.resize_with(encoded.len(), Vec::new);
    encoded.par_iter().zip(raw).enumerate().try_for_each(|(index, (encoded, raw))| {
        DECODER.with_borrow_mut(|decoder| decoder.decode(encoded, raw)).map_err(|error| (index, error))
    })
}
