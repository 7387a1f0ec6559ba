//! The 3D Hilbert curve of [`skilling`](super::skilling), three levels at a time.

use super::automaton::{CHUNK, DECODE, ENCODE, LEVELS, STATE, Table};
use super::precision::Precision;

/// Look-ups for the full precision.
const STEPS: u32 = Precision::MAX.bits() / LEVELS;
/// Words that a batch walks through side by side: one look-up waits for the one before it, those of
/// other words don't.
const ABREAST: usize = 4;
/// Words between the two passes of a batch, in the first-level cache. Moving bits and looking up in
/// one pass would need more registers than there are.
const BATCH: usize = 256;

/// The index of a cell. Of each coordinate only the bits of the precision count.
pub fn encode(cell: [u32; 3], precision: Precision) -> u64 {
    let [index] = walk([chunks(cell, unused(precision))], &ENCODE);
    index >> (3 * unused(precision))
}

/// The cell of an index, of which only the bits of the precision count.
pub fn decode(index: u64, precision: Precision) -> [u32; 3] {
    let [chunks] = walk([index << (3 * unused(precision)) & Precision::MAX.max_index()], &DECODE);
    cell(chunks, unused(precision))
}

/// [`encode`] for many cells; `out` keeps its memory.
pub fn encode_all(cells: &[[u32; 3]], precision: Precision, out: &mut Vec<u64>) {
    let unused = unused(precision);
    out.resize(cells.len(), 0);
    for (cells, out) in cells.chunks(BATCH).zip(out.chunks_mut(BATCH)) {
        out.iter_mut().zip(cells).for_each(|(out, cell)| *out = chunks(*cell, unused));
        walk_all(out, &ENCODE);
        out.iter_mut().for_each(|index| *index >>= 3 * unused);
    }
}

/// [`decode`] for many indices; `out` keeps its memory.
pub fn decode_all(indices: &[u64], precision: Precision, out: &mut Vec<[u32; 3]>) {
    let unused = unused(precision);
    let mut words = [0; BATCH];
    out.resize(indices.len(), [0; 3]);
    for (indices, out) in indices.chunks(BATCH).zip(out.chunks_mut(BATCH)) {
        let words = &mut words[..indices.len()];
        let top = |index: &u64| index << (3 * unused) & Precision::MAX.max_index();
        words.iter_mut().zip(indices).for_each(|(word, index)| *word = top(index));
        walk_all(words, &DECODE);
        out.iter_mut().zip(words).for_each(|(out, chunks)| *out = cell(*chunks, unused));
    }
}

/// A lower precision is the start of the full one: its bits go to the top, and so many that follow
/// are cut off.
fn unused(precision: Precision) -> u32 {
    Precision::MAX.bits() - precision.bits()
}

/// The bits of a cell in chunks of 9, three of each coordinate.
#[inline(always)]
fn chunks(cell: [u32; 3], unused: u32) -> u64 {
    let [x, y, z] = cell.map(|c| spread(c << unused));
    x << 6 | y << 3 | z
}

/// The reverse of [`chunks`].
#[inline(always)]
fn cell(chunks: u64, unused: u32) -> [u32; 3] {
    [chunks >> 6, chunks >> 3, chunks].map(|c| gather(c) >> unused)
}

fn walk_all(words: &mut [u64], table: &Table) {
    let (abreast, rest) = words.as_chunks_mut::<ABREAST>();
    abreast.iter_mut().for_each(|words| *words = walk(*words, table));
    rest.as_chunks_mut().0.iter_mut().for_each(|word: &mut [u64; 1]| *word = walk(*word, table));
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
