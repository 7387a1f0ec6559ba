//! Byte planes: plane `index` of a segment holds its bytes `index`, `index + stride`, `index + 2 · stride`, …

/// Bytes in plane `index`.
pub fn length(raw: usize, stride: usize, index: usize) -> usize {
    raw.saturating_sub(index).div_ceil(stride)
}

/// Copies plane `index` out of a segment.
pub fn gather(raw: &[u8], stride: usize, index: usize, plane: &mut Vec<u8>) {
    plane.clear();
    match stride {
        1 => plane.extend_from_slice(raw),
        2 => gather_fixed::<2>(raw, index, plane),
        4 => gather_fixed::<4>(raw, index, plane),
        8 => gather_fixed::<8>(raw, index, plane),
        18 => gather_fixed::<18>(raw, index, plane),
        20 => gather_fixed::<20>(raw, index, plane),
        34 => gather_fixed::<34>(raw, index, plane),
        _ => plane.extend(raw.iter().skip(index).step_by(stride)),
    }
}

/// The common strides, with a length the compiler knows: it then moves many bytes at once.
fn gather_fixed<const STRIDE: usize>(raw: &[u8], index: usize, plane: &mut Vec<u8>) {
    let (words, rest) = raw.as_chunks::<STRIDE>();
    plane.extend(words.iter().map(|word| word[index]));
    plane.extend(rest.get(index));
}

/// Copies plane `index` to its places in a segment.
pub fn scatter(plane: &[u8], stride: usize, index: usize, raw: &mut [u8]) {
    match stride {
        1 => raw.copy_from_slice(plane),
        2 => scatter_fixed::<2>(plane, index, raw),
        4 => scatter_fixed::<4>(plane, index, raw),
        8 => scatter_fixed::<8>(plane, index, raw),
        18 => scatter_fixed::<18>(plane, index, raw),
        20 => scatter_fixed::<20>(plane, index, raw),
        34 => scatter_fixed::<34>(plane, index, raw),
        _ => raw.iter_mut().skip(index).step_by(stride).zip(plane).for_each(|(to, from)| *to = *from),
    }
}

fn scatter_fixed<const STRIDE: usize>(plane: &[u8], index: usize, raw: &mut [u8]) {
    let (words, rest) = raw.as_chunks_mut::<STRIDE>();
    words.iter_mut().zip(plane).for_each(|(word, from)| word[index] = *from);
    if let Some(to) = rest.get_mut(index) {
        *to = plane[plane.len() - 1];
    }
}

/// Puts the two planes of words of 16 bits together, in one pass: several times as fast as one after the other.
pub fn join2(planes: [&[u8]; 2], raw: &mut [u8]) {
    let (words, rest) = raw.as_chunks_mut::<2>();
    words.iter_mut().zip(planes[0]).zip(planes[1]).for_each(|((word, a), b)| *word = [*a, *b]);
    join_rest(planes, words.len(), rest);
}

/// Puts the four planes of words of 32 bits together, in one pass.
pub fn join4(planes: [&[u8]; 4], raw: &mut [u8]) {
    /// Words at a time, of a number that the compiler knows: it then moves many bytes at once.
    const WORDS: usize = 64;
    let count = raw.len() / 4;
    let pair =
        |a: &[u8; WORDS], b: &[u8; WORDS]| -> [[u8; 2]; WORDS] { std::array::from_fn(|i| [a[i], b[i]]) };
    let (blocks, rest) = raw.as_chunks_mut::<{ 4 * WORDS }>();
    let whole = planes.map(|plane| plane[..count].as_chunks::<WORDS>().0);
    for (i, block) in blocks.iter_mut().enumerate() {
        let (low, high) = (pair(&whole[0][i], &whole[1][i]), pair(&whole[2][i], &whole[3][i]));
        let (words, _) = block.as_chunks_mut::<4>();
        for (word, ([a, b], [c, d])) in words.iter_mut().zip(low.into_iter().zip(high)) {
            *word = [a, b, c, d];
        }
    }
    join_rest(planes, blocks.len() * WORDS, rest);
}

/// Puts the bytes from word `first` on together.
fn join_rest<const STRIDE: usize>(planes: [&[u8]; STRIDE], first: usize, raw: &mut [u8]) {
    for (i, to) in raw.iter_mut().enumerate() {
        *to = planes[i % STRIDE][first + i / STRIDE];
    }
}

/// Whether compressing a plane pays: the entropy of its single bytes is below 7.5 bits of 8. Mantissas
/// and the codes of quantized weights are above, and to win their last 2 % (0.89 instead of 0.91 of a
/// Q4_1 tensor) takes as long as all the rest of encoding them.
pub fn looks_compressible(plane: &[u8]) -> bool {
    // Below this a frame's own header eats the gain.
    if plane.len() < 64 {
        return false;
    }
    // Four tables: equal bytes in a row would wait for each other in one.
    let mut tables = [[0u32; 256]; 4];
    let (quads, rest) = plane.as_chunks::<4>();
    for quad in quads {
        for (table, &byte) in tables.iter_mut().zip(quad) {
            table[usize::from(byte)] += 1;
        }
    }
    rest.iter().for_each(|&byte| tables[0][usize::from(byte)] += 1);
    let [a, b, c, d] = tables;
    let counts: [u32; 256] = std::array::from_fn(|i| a[i] + b[i] + c[i] + d[i]);
    let total = plane.len() as f32;
    let bits: f32 = counts
        .iter()
        .filter(|count| **count > 0)
        .map(|&count| count as f32 * (total / count as f32).log2())
        .sum();
    // A sample of n bytes shows up to 255 / (2n ln 2) bits less than its source's entropy.
    let bias = 255.0 / (2.0 * total * std::f32::consts::LN_2);
    bits / total + bias < 7.5
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn split<const STRIDE: usize>(raw: &[u8]) -> [Vec<u8>; STRIDE] {
        std::array::from_fn(|index| raw.iter().skip(index).step_by(STRIDE).copied().collect())
    }

    proptest! {
        #[test]
        fn planes_put_together_are_what_was_split(raw in prop::collection::vec(any::<u8>(), 0..1200)) {
            let mut joined = vec![0xee; raw.len()];
            let [a, b] = split(&raw);
            join2([&a, &b], &mut joined);
            prop_assert_eq!(&joined, &raw);
            joined.fill(0xee);
            let [a, b, c, d] = split(&raw);
            join4([&a, &b, &c, &d], &mut joined);
            prop_assert_eq!(&joined, &raw);
        }
    }
}
