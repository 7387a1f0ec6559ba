//! The two checksums of HDF5: of structures and of chunks.

/// Bob Jenkins' `lookup3` (`hashlittle`, initial value 0), which every structure since version 1.8 of
/// the library ends with.
pub(super) fn lookup3(bytes: &[u8]) -> u32 {
    let start = 0xdead_beef_u32.wrapping_add(bytes.len() as u32);
    let (mut a, mut b, mut c) = (start, start, start);
    let Some(last) = bytes.len().checked_sub(1).map(|end| end / 12 * 12) else {
        return c;
    };
    let add = |block: &[u8], a: &mut u32, b: &mut u32, c: &mut u32| {
        let mut words = [0; 12];
        words[..block.len()].copy_from_slice(block);
        let word =
            |index| u32::from_le_bytes([words[index], words[index + 1], words[index + 2], words[index + 3]]);
        *a = a.wrapping_add(word(0));
        *b = b.wrapping_add(word(4));
        *c = c.wrapping_add(word(8));
    };
    for block in bytes[..last].as_chunks::<12>().0 {
        add(block, &mut a, &mut b, &mut c);
        a = a.wrapping_sub(c) ^ c.rotate_left(4);
        c = c.wrapping_add(b);
        b = b.wrapping_sub(a) ^ a.rotate_left(6);
        a = a.wrapping_add(c);
        c = c.wrapping_sub(b) ^ b.rotate_left(8);
        b = b.wrapping_add(a);
        a = a.wrapping_sub(c) ^ c.rotate_left(16);
        c = c.wrapping_add(b);
        b = b.wrapping_sub(a) ^ a.rotate_left(19);
        a = a.wrapping_add(c);
        c = c.wrapping_sub(b) ^ b.rotate_left(4);
        b = b.wrapping_add(a);
    }
    add(&bytes[last..], &mut a, &mut b, &mut c);
    c = (c ^ b).wrapping_sub(b.rotate_left(14));
    a = (a ^ c).wrapping_sub(c.rotate_left(11));
    b = (b ^ a).wrapping_sub(a.rotate_left(25));
    c = (c ^ b).wrapping_sub(b.rotate_left(16));
    a = (a ^ c).wrapping_sub(c.rotate_left(4));
    b = (b ^ a).wrapping_sub(a.rotate_left(14));
    (c ^ b).wrapping_sub(b.rotate_left(24))
}

/// Fletcher's checksum over big-endian 16-bit words, as the filter `fletcher32` appends it to a chunk.
pub(super) fn fletcher32(bytes: &[u8]) -> u32 {
    let fold = |sum: u32| (sum & 0xffff) + (sum >> 16);
    let (mut one, mut two) = (0_u32, 0_u32);
    // So many words can be added before a sum of 32 bits would overflow.
    for block in bytes.chunks(2 * 360) {
        for word in block.chunks(2) {
            let low = word.get(1).copied().unwrap_or(0);
            one += u32::from(u16::from_be_bytes([word[0], low]));
            two += one;
        }
        (one, two) = (fold(one), fold(two));
    }
    (fold(two) << 16) | fold(one)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lookup3_of_its_authors_examples() {
        // From the driver in lookup3.c.
        assert_eq!(lookup3(b""), 0xdead_beef);
        assert_eq!(lookup3(b"Four score and seven years ago"), 0x1777_0551);
    }

    #[test]
    fn fletcher_of_known_words() {
        assert_eq!(fletcher32(&[]), 0);
        assert_eq!(fletcher32(&[0, 1, 0, 2]), (4 << 16) | 3);
        // An odd byte counts as the upper one of a word.
        assert_eq!(fletcher32(&[0, 1, 2]), ((1 + 0x201) << 16) | 0x201);
        // Sums stay below 2^16, however many words there are.
        assert_eq!(fletcher32(&[0xff; 4000]), 0xffff_ffff);
    }
}
