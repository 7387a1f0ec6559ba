//! A curve as an automaton: a state is the way the curve runs through a cube, and tells in which
//! order it visits the eight octants and in which state it runs through each of them.

use super::skilling;

/// Ways a 3D Hilbert curve can run through a cube: the rotations of a cube.
const STATES: usize = 24;

/// An octant is written x·4 + y·2 + z, each coordinate 0 in the lower half and 1 in the upper.
pub(super) struct Automaton {
    /// The octant that is visited as the n-th, for each state.
    pub(super) octant: [[u8; 8]; STATES],
    /// The state within it.
    pub(super) next: [[u8; 8]; STATES],
}

/// Bits that select a chunk of three levels.
const CHUNK_BITS: usize = 9;
/// Low bits of a look-up's entry: its three levels of output.
pub(super) const CHUNK: u64 = (1 << CHUNK_BITS) - 1;
/// High bits of an entry: the next state, where it stands in the next entry's number.
pub(super) const STATE: u64 = 31 << CHUNK_BITS;
/// Levels that one look-up goes down.
pub(super) const LEVELS: u32 = 3;

/// Three levels for each look-up: 24 states of 512 entries of 2 bytes are 24 KB, which stay in a
/// first-level cache. (Four levels would take 400 KB.) The length is a power of two so that no
/// entry's number needs a check.
pub(super) type Table = [u16; 32 << CHUNK_BITS];

pub(super) static MORTON: Automaton =
    Automaton { octant: [[0, 1, 2, 3, 4, 5, 6, 7]; STATES], next: [[0; 8]; STATES] };
pub(super) static HILBERT: Automaton = HILBERT_AUTOMATON;
/// From three bits of each coordinate (x first) to three digits of the index.
pub(super) static ENCODE: Table = tables().0;
/// From three digits of the index to three bits of each coordinate.
pub(super) static DECODE: Table = tables().1;

const HILBERT_AUTOMATON: Automaton = derive();

const fn octant_of(cell: [u32; 3], level: u32) -> u8 {
    ((cell[0] >> level & 1) << 2 | (cell[1] >> level & 1) << 1 | cell[2] >> level & 1) as u8
}

/// Reads the automaton off the first two levels of the reference. A state is the symmetry that
/// takes the order of octants at the first level to its own, as a map of octants.
const fn derive() -> Automaton {
    // How the symmetry of the n-th octant differs from that of the whole.
    let mut first = [0; 8];
    let mut turns = [[0; 8]; 8];
    let mut n = 0;
    while n < 8 {
        first[n] = octant_of(skilling::decode(n as u64, 1), 0);
        n += 1;
    }
    n = 0;
    while n < 64 {
        turns[n / 8][first[n % 8] as usize] = octant_of(skilling::decode(n as u64, 2), 0);
        n += 1;
    }
    // All states that can be reached from the identity.
    let mut automaton = Automaton { octant: [[0; 8]; STATES], next: [[0; 8]; STATES] };
    let mut states = [[0, 1, 2, 3, 4, 5, 6, 7]; STATES];
    let mut known = 1;
    let mut state = 0;
    while state < known {
        n = 0;
        while n < 8 {
            automaton.octant[state][n] = states[state][first[n] as usize];
            let mut after = [0; 8];
            let mut i = 0;
            while i < 8 {
                after[i] = states[state][turns[n][i] as usize];
                i += 1;
            }
            let mut found = 0;
            while found < known && !same(&states[found], &after) {
                found += 1;
            }
            if found == known {
                states[known] = after;
                known += 1;
            }
            automaton.next[state][n] = found as u8;
            n += 1;
        }
        state += 1;
    }
    assert!(known == STATES);
    automaton
}

const fn same(a: &[u8; 8], b: &[u8; 8]) -> bool {
    let mut i = 0;
    while i < 8 {
        if a[i] != b[i] {
            return false;
        }
        i += 1;
    }
    true
}

/// Both tables, by going down three levels from every state.
const fn tables() -> (Table, Table) {
    let (mut encode, mut decode) = ([0; 32 << CHUNK_BITS], [0; 32 << CHUNK_BITS]);
    let mut entry = 0;
    while entry < STATES << CHUNK_BITS {
        let digits = entry as u16 & CHUNK as u16;
        let mut state = entry >> CHUNK_BITS;
        let mut bits = 0;
        let mut level = LEVELS;
        while level > 0 {
            level -= 1;
            let n = (digits >> (3 * level) & 7) as usize;
            let octant = HILBERT_AUTOMATON.octant[state][n] as u16;
            bits |= (octant >> 2) << (6 + level) | (octant >> 1 & 1) << (3 + level) | (octant & 1) << level;
            state = HILBERT_AUTOMATON.next[state][n] as usize;
        }
        let next = (state << CHUNK_BITS) as u16;
        decode[entry] = next | bits;
        encode[entry & !(CHUNK as usize) | bits as usize] = next | digits;
        entry += 1;
    }
    (encode, decode)
}
