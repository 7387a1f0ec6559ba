//! The 3D Hilbert curve as its author defines it: J. Skilling, "Programming the Hilbert curve",
//! AIP Conference Proceedings 707 (2004). One bit at a time, and slow: the tables of the fast
//! kernels are derived from this, and tests compare them with it.

/// The index of a cell on the curve of `bits` bits for each axis, at most 21.
pub const fn encode(mut cell: [u32; 3], bits: u32) -> u64 {
    // Undo the rotations from the coarsest level down: what a bit finds set it inverts below itself
    // on the first axis, what it finds clear it exchanges with the first axis.
    let mut level = bits;
    while level > 1 {
        level -= 1;
        let below = (1 << level) - 1;
        let mut axis = 0;
        while axis < 3 {
            cell = turn(cell, axis, level, below);
            axis += 1;
        }
    }
    // Gray code across the axes of each level, then along the levels.
    cell[1] ^= cell[0];
    cell[2] ^= cell[1];
    let mut carry = 0;
    level = bits;
    while level > 1 {
        level -= 1;
        if cell[2] >> level & 1 == 1 {
            carry ^= (1 << level) - 1;
        }
    }
    // The index takes one bit of each axis in turn.
    let mut index = 0;
    level = bits;
    while level > 0 {
        level -= 1;
        let mut axis = 0;
        while axis < 3 {
            index = index << 1 | ((cell[axis] ^ carry) >> level & 1) as u64;
            axis += 1;
        }
    }
    index
}

/// The cell of an index on the curve of `bits` bits for each axis, at most 21.
pub const fn decode(index: u64, bits: u32) -> [u32; 3] {
    let gray = index ^ index >> 1;
    let mut cell = [0; 3];
    let mut position = 3 * bits;
    while position > 0 {
        position -= 1;
        let axis = 2 - (position % 3) as usize;
        cell[axis] = cell[axis] << 1 | (gray >> position & 1) as u32;
    }
    let mut level = 1;
    while level < bits {
        let below = (1 << level) - 1;
        let mut axis = 3;
        while axis > 0 {
            axis -= 1;
            cell = turn(cell, axis, level, below);
        }
        level += 1;
    }
    cell
}

const fn turn(mut cell: [u32; 3], axis: usize, level: u32, below: u32) -> [u32; 3] {
    if cell[axis] >> level & 1 == 1 {
        cell[0] ^= below;
    } else {
        let differ = (cell[0] ^ cell[axis]) & below;
        cell[0] ^= differ;
        cell[axis] ^= differ;
    }
    cell
}
