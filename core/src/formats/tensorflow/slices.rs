//! Partitioned variables: the keys of their slices, and slices put together.
//! Source: tensorflow/core/util/saved_tensor_slice_util.cc (`EncodeTensorNameSlice`), and
//! tensorflow/core/lib/strings/ordered_code.h for the code of the keys.

use crate::formats::error::{ParseError, malformed};
use crate::formats::limits::MAX_DIMS;
use crate::lazy_tensor::LazyTensor;
use crate::model::Tensor;
use crate::source::{Source, SourceError, check_range};
use std::sync::Arc;

/// Begin and length on each axis; without a length, the whole axis.
pub type Slice = Vec<(u64, Option<u64>)>;

/// Takes the key of a slice apart: the variable's name and the slice. None for other keys.
pub fn slice_of_key(key: &[u8]) -> Option<(String, Slice)> {
    let mut rest = key;
    // A number 0 in front tells slices from names.
    if number(&mut rest)? != 0 {
        return None;
    }
    let name =
        String::from_utf8(text(&mut rest)?).ok().filter(|name| !name.is_empty() && !name.contains('\0'))?;
    let axes = number(&mut rest)?;
    if axes > MAX_DIMS as u64 {
        return None;
    }
    let mut slice = Slice::new();
    for _ in 0..axes {
        let (begin, length) = (signed(&mut rest)?, signed(&mut rest)?);
        // A length of -1 stands for the whole axis.
        slice.push((u64::try_from(begin).ok()?, u64::try_from(length).ok()));
    }
    rest.is_empty().then_some((name, slice))
}

/// A number in ascending code: how many bytes it has, and those.
fn number(rest: &mut &[u8]) -> Option<u64> {
    let (length, tail) = rest.split_first()?;
    let (bytes, tail) = tail.split_at_checked(usize::from(*length)).filter(|_| *length <= 8)?;
    *rest = tail;
    Some(bytes.iter().fold(0, |number, byte| number << 8 | u64::from(*byte)))
}

/// A text in ascending code: 0 and 255 are followed by a byte that tells them from the end, 0 1.
fn text(rest: &mut &[u8]) -> Option<Vec<u8>> {
    let mut text = Vec::new();
    loop {
        let (byte, tail) = rest.split_first()?;
        *rest = tail;
        if !matches!(byte, 0 | 255) {
            text.push(*byte);
            continue;
        }
        let (next, tail) = rest.split_first()?;
        *rest = tail;
        match (byte, next) {
            (0, 1) => return Some(text),
            (0, 255) => text.push(0),
            (255, 0) => text.push(255),
            _ => return None,
        }
    }
}

/// A signed number in ascending code: the leading bits are as many ones as there are bytes, then a
/// zero, then the number's bits; all inverted for negative ones.
fn signed(rest: &mut &[u8]) -> Option<i64> {
    let negative = rest.first()? & 0x80 == 0;
    let flip = if negative { 0xff } else { 0 };
    let (first, second) = (rest[0] ^ flip, rest.get(1).copied().unwrap_or_default() ^ flip);
    let length = match first {
        0xff => 8 + (second.leading_ones() as usize),
        _ => first.leading_ones() as usize,
    };
    let (bytes, tail) = rest.split_at_checked(length).filter(|_| length <= 10)?;
    *rest = tail;
    let all = bytes.iter().fold(0u128, |number, byte| number << 8 | u128::from(byte ^ flip));
    // What follows the marks: of each byte's eight bits one is a mark.
    let value = all & ((1u128 << (7 * length)) - 1);
    let value = if length == 10 { value as u64 } else { u64::try_from(value).ok()? };
    Some(if negative { !(value as i64) } else { value as i64 })
}

/// The whole variable, where its slices cover it in one shard and are in its order of bytes.
pub fn whole(variable: &Tensor, pieces: &[(Slice, Tensor)]) -> Result<Option<Tensor>, ParseError> {
    let mut boxes = Vec::new();
    let mut weights = 0u64;
    for (slice, piece) in pieces {
        let fits = slice.len() == variable.shape.len() && piece.shape.len() == slice.len();
        let inside =
            slice.iter().zip(&piece.shape).zip(&variable.shape).all(|(((begin, length), extent), all)| {
                length.unwrap_or(*all) == *extent && begin.checked_add(*extent).is_some_and(|end| end <= *all)
            });
        if !fits || !inside {
            return Err(malformed!(
                "a slice of variable \"{}\" of shape {:?} is {slice:?} and has the shape {:?}",
                variable.name,
                variable.shape,
                piece.shape
            ));
        }
        weights = weights.saturating_add(piece.weight_count);
        boxes.push(Piece {
            begin: slice.iter().map(|(begin, _)| *begin).collect(),
            shape: piece.shape.clone(),
            offset: piece.offset,
        });
    }
    if weights != variable.weight_count || overlap(&boxes) {
        return Err(malformed!(
            "the slices of variable \"{}\" of shape {:?} do not cover it: they have {weights} of {} weights",
            variable.name,
            variable.shape,
            variable.weight_count
        ));
    }
    let first = &pieces[0].1;
    if pieces.iter().any(|(_, piece)| piece.file_no != first.file_no || piece.lazy.is_some()) {
        return Ok(None);
    }
    let mut variable = variable.clone();
    variable.file_no = first.file_no;
    boxes.sort_by(|a, b| a.begin.cmp(&b.begin));
    variable.offset = boxes[0].offset;
    // Slices along the first axis, one behind the other in the file, are the variable as it is.
    let mut next = variable.offset;
    let width = u64::from(variable.dtype.info().block_bytes);
    let in_one_piece = boxes.iter().all(|piece| {
        let here = piece.offset == next && piece.shape.get(1..) == variable.shape.get(1..);
        next += piece.shape.iter().product::<u64>() * width;
        here
    });
    if !in_one_piece && variable.byte_length > 0 {
        variable.lazy = Some(Arc::new(Sliced { shape: variable.shape.clone(), width, pieces: boxes }));
    }
    Ok(Some(variable))
}

/// True when two slices have a weight in common.
fn overlap(pieces: &[Piece]) -> bool {
    pieces.iter().enumerate().any(|(index, one)| {
        pieces[..index].iter().any(|two| {
            (0..one.begin.len()).all(|axis| {
                one.begin[axis] < two.begin[axis] + two.shape[axis]
                    && two.begin[axis] < one.begin[axis] + one.shape[axis]
            })
        })
    })
}

/// One slice and its place in the shard.
#[derive(Debug, Clone)]
struct Piece {
    begin: Vec<u64>,
    shape: Vec<u64>,
    offset: u64,
}

/// A variable of slices in one file, in any order.
#[derive(Debug)]
struct Sliced {
    shape: Vec<u64>,
    width: u64,
    pieces: Vec<Piece>,
}

impl LazyTensor for Sliced {
    fn open<'a>(&self, file: &'a dyn Source) -> Result<Box<dyn Source + 'a>, SourceError> {
        let (shape, pieces) = (self.shape.clone(), self.pieces.clone());
        Ok(Box::new(SlicedSource { file, shape, width: self.width, pieces }))
    }
}

struct SlicedSource<'a> {
    file: &'a dyn Source,
    shape: Vec<u64>,
    width: u64,
    pieces: Vec<Piece>,
}

impl Source for SlicedSource<'_> {
    fn len(&self) -> u64 {
        self.shape.iter().product::<u64>() * self.width
    }

    fn read_at(&self, mut offset: u64, mut buf: &mut [u8]) -> Result<(), SourceError> {
        check_range(offset, buf.len(), self.len())?;
        while !buf.is_empty() {
            // The coordinates of the weight at `offset`, and the slice that has it.
            let (mut index, skip) = (offset / self.width, offset % self.width);
            let mut place: Vec<u64> = self
                .shape
                .iter()
                .rev()
                .map(|extent| {
                    let here = index % extent;
                    index /= extent;
                    here
                })
                .collect();
            place.reverse();
            let holds = |piece: &&Piece| {
                (0..place.len()).all(|axis| {
                    (piece.begin[axis]..piece.begin[axis] + piece.shape[axis]).contains(&place[axis])
                })
            };
            let piece = self.pieces.iter().find(holds).expect("slices cover the variable");
            let within = (0..place.len())
                .fold(0, |index, axis| index * piece.shape[axis] + place[axis] - piece.begin[axis]);
            let last = place.len() - 1;
            let row = (piece.begin[last] + piece.shape[last] - place[last]) * self.width - skip;
            let n = row.min(buf.len() as u64) as usize;
            let (now, rest) = buf.split_at_mut(n);
            self.file.read_at(piece.offset + within * self.width + skip, now)?;
            (buf, offset) = (rest, offset + n as u64);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signed_numbers_of_every_length() {
        let cases: &[(&[u8], i64)] = &[
            (&[0x80], 0),
            (&[0xbf], 63),
            (&[0xc0, 0x40], 64),
            (&[0xc1, 0x00], 256),
            (&[0x7f], -1),
            (&[0x40], -64),
            (&[0x3f, 0xbf], -65),
        ];
        for (bytes, value) in cases {
            let mut rest = *bytes;
            assert_eq!(signed(&mut rest), Some(*value), "{bytes:02x?}");
            assert!(rest.is_empty());
        }
        assert_eq!(signed(&mut &[0xff, 0xff, 0xff][..]), None);
        assert_eq!(signed(&mut &[][..]), None);
    }

    #[test]
    fn keys_of_slices() {
        let key = [&[0][..], b"v", &[0, 1], &[1, 2], &[0x84, 0x82], &[0x80, 0x7f]].concat();
        let slice = vec![(4, Some(2)), (0, None)];
        assert_eq!(slice_of_key(&key), Some(("v".into(), slice)));
        for cut in 0..key.len() {
            assert_eq!(slice_of_key(&key[..cut]), None);
        }
        assert_eq!(slice_of_key(b"layer/kernel"), None);
        assert_eq!(text(&mut &[b'a', 0, 255, 255, 0, 0, 1][..]), Some(vec![b'a', 0, 255]));
        assert_eq!(text(&mut &[b'a', 0, 7][..]), None);
    }
}
