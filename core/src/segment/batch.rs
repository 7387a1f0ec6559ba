//! Encoding and decoding many segments at once, on the worker threads.

use super::encoding::{Decoder, Encoder, SegmentError};
use super::slicing::SegmentSlice;
use rayon::prelude::*;
use std::cell::RefCell;

thread_local! {
    static ENCODER: RefCell<Encoder> = RefCell::default();
    static DECODER: RefCell<Decoder> = RefCell::default();
    static SCRATCH: RefCell<Vec<u8>> = RefCell::default();
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

/// Decodes the bytes of slices, one behind the other, to `out`, on all threads. Call it within
/// [`run_on_pool_while`](crate::parallel::run_on_pool_while).
///
/// # Errors
/// As [`decode_all`], and for a segment that is shorter than its slice.
///
/// # Panics
/// When `out` has not the length of all slices.
pub fn decode_slices(
    slices: &[SegmentSlice],
    encoded: &[Vec<u8>],
    mut out: &mut [u8],
) -> Result<(), (usize, SegmentError)> {
    let mut places = Vec::with_capacity(slices.len());
    for slice in slices {
        let (place, behind) = out.split_at_mut(slice.length);
        places.push(place);
        out = behind;
    }
    assert!(out.is_empty(), "{} bytes are in no slice", out.len());
    slices.par_iter().zip(encoded).zip(places).enumerate().try_for_each(
        |(index, ((slice, encoded), place))| {
            DECODER
                .with_borrow_mut(|decoder| {
                    SCRATCH
                        .with_borrow_mut(|scratch| decoder.decode_part(encoded, slice.skip, place, scratch))
                })
                .map_err(|error| (index, error))
        },
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::byte_range::ByteRange;
    use crate::segment::{SEGMENT_BYTES, slices};

    #[test]
    fn a_range_over_segments_is_decoded_in_its_place() {
        const SEGMENT: u64 = SEGMENT_BYTES as u64;
        let content: Vec<u8> = (0..2 * SEGMENT_BYTES + 77).map(|i| (i * i / 7) as u8).collect();
        let raw: Vec<_> = content.chunks(SEGMENT_BYTES).map(|segment| (segment.to_vec(), 4)).collect();
        let mut encoded = Vec::new();
        encode_all(&raw, &mut encoded, |_, _| ());
        let ranges = [(0, 2 * SEGMENT + 77), (SEGMENT - 1, 2), (SEGMENT, SEGMENT), (5, 2 * SEGMENT), (0, 0)];
        for (offset, len) in ranges {
            let slices: Vec<_> = slices([7; 32], ByteRange::new(offset, len), None).collect();
            let first = slices.first().map_or(0, |slice| slice.segment_no as usize);
            let encoded = &encoded[first..first + slices.len()];
            let mut out = vec![0xee; len as usize];
            decode_slices(&slices, encoded, &mut out).unwrap();
            assert!(out == content[offset as usize..][..len as usize], "{len} bytes from {offset} on");
        }
    }

    #[test]
    fn a_missing_segment_is_named() {
        let slices: Vec<_> = slices([7; 32], ByteRange::new(0, SEGMENT_BYTES as u64 + 1), None).collect();
        let mut encoded = Vec::new();
        encode_all(&[(vec![1; SEGMENT_BYTES], 1)], &mut encoded, |_, _| ());
        encoded.push(Vec::new());
        let (index, error) = decode_slices(&slices, &encoded, &mut vec![0; SEGMENT_BYTES + 1]).unwrap_err();
        assert_eq!((index, error.to_string().as_str()), (1, "damaged segment: no header"));
    }
}
