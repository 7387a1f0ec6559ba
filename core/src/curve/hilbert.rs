//! The 3D Hilbert curve of [`skilling`](super::skilling), three levels at a time.

use super::Precision;
use super::automaton::{CHUNK, DECODE, ENCODE, LEVELS, STATE, Table};

/// Look-ups for the full precision.
const STEPS: u32 = Precision::MAX.bits() / LEVELS;
/// Points that a batch goes through side by side: one look-up waits for the one before it, those of
/// other points don't.
const BATCH: usize = 4;

/// The index of a cell. Of each coordinate only the bits of the precision count.
pub fn encode(cell: [u32; 3], precision: Precision) -> u64 {
    encode_some([cell], precision)[0]
}

/// The cell of an index, of which only the bits of the precision count.
pub fn decode(index: u64, precision: Precision) -> [u32; 3] {
    decode_some([index], precision)[0]
}

/// [`encode`] for many cells; `out` keeps its memory.
pub fn encode_all(cells: &[[u32; 3]], precision: Precision, out: &mut Vec<u64>) {
    out.resize(cells.len(), 0);
    let (batches, rest) = cells.as_chunks::<BATCH>();
    let (out, out_rest) = out.as_chunks_mut::<BATCH>();
    for (batch, out) in batches.iter().zip(out) {
        *out = encode_some(*batch, precision);
    }
    for (cell, out) in rest.iter().zip(out_rest) {
        *out = encode(*cell, precision);
    }
}

/// [`decode`] for many indices; `out` keeps its memory.
pub fn decode_all(indices: &[u64], precision: Precision, out: &mut Vec<[u32; 3]>) {
    out.resize(indices.len(), [0; 3]);
    let (batches, rest) = indices.as_chunks::<BATCH>();
    let (out, out_rest) = out.as_chunks_mut::<BATCH>();
    for (batch, out) in batches.iter().zip(out) {
        *out = decode_some(*batch, precision);
    }
    for (index, out) in rest.iter().zip(out_rest) {
        *out = decode(*index, precision);
    }
}

/// A lower precision is the start of the full one: its bits go to the top, and what follows is cut off.
#[inline(always)]
fn encode_some<const N: usize>(cells: [[u32; 3]; N], precision: Precision) -> [u64; N] {
    let unused = Precision::MAX.bits() - precision.bits();
    let chunks = cells.map(|cell| {
        let [x, y, z] = cell.map(|c| spread(c << unused));
        x << 6 | y << 3 | z
    });
    walk(chunks, &ENCODE).map(|index| index >> (3 * unused))
}

#[inline(always)]
fn decode_some<const N: usize>(indices: [u64; N], precision: Precision) -> [[u32; 3]; N] {
    let unused = Precision::MAX.bits() - precision.bits();
    let indices = indices.map(|index| (index & precision.max_index()) << (3 * unused));
    walk(indices, &DECODE).map(|chunks| [chunks >> 6, chunks >> 3, chunks].map(|c| gather(c) >> unused))
}

/// Replaces each chunk of 9 bits by what the table says of it, from the top down.
#[inline(always)]
fn walk<const N: usize>(mut words: [u64; N], table: &Table) -> [u64; N] {
    let mut states = [0; N];
    words = words.map(|word| word << 1);
    for _ in 0..STEPS {
        for i in 0..N {
            let entry = u64::from(table[(states[i] | words[i] >> 55) as usize]);
            words[i] = words[i] << 9 | entry & CHUNK;
            states[i] = entry & STATE;
        }
    }
    words
}

/// Moves the seven groups of 3 bits of a coordinate apart, to every ninth bit.
#[inline(always)]
fn spread(coordinate: u32) -> u64 {
    let mut word = u64::from(coordinate) & 0x1f_ffff;
    word = (word | word << 24) & 0x0000_1ff0_0000_0fff;
    word = (word | word << 12) & 0x01c0_03f0_00fc_003f;
    (word | word << 6) & 0x01c0_e070_381c_0e07
}

/// The reverse of [`spread`].
#[inline(always)]
fn gather(word: u64) -> u32 {
    let mut word = word & 0x01c0_e070_381c_0e07;
    word = (word | word >> 6) & 0x01c0_03f0_00fc_003f;
    word = (word | word >> 12) & 0x0000_1ff0_0000_0fff;
    ((word | word >> 24) & 0x1f_ffff) as u32
}
