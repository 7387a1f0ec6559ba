//! Morton order (Z order): the bits of the coordinates in turn, the first coordinate's on top.

/// The index of a cell of space. Of each coordinate the low 21 bits count.
pub const fn encode_3d(cell: [u32; 3]) -> u64 {
    spread_3(cell[0]) << 2 | spread_3(cell[1]) << 1 | spread_3(cell[2])
}

/// The cell of an index of space, of which the low 63 bits count.
pub const fn decode_3d(index: u64) -> [u32; 3] {
    [gather_3(index >> 2), gather_3(index >> 1), gather_3(index)]
}

/// Moves the low 21 bits apart, to every third one.
const fn spread_3(coordinate: u32) -> u64 {
    let mut word = coordinate as u64 & 0x1f_ffff;
    word = (word | word << 32) & 0x001f_0000_0000_ffff;
    word = (word | word << 16) & 0x001f_0000_ff00_00ff;
    word = (word | word << 8) & 0x100f_00f0_0f00_f00f;
    word = (word | word << 4) & 0x10c3_0c30_c30c_30c3;
    (word | word << 2) & 0x1249_2492_4924_9249
}

const fn gather_3(word: u64) -> u32 {
    let mut word = word & 0x1249_2492_4924_9249;
    word = (word | word >> 2) & 0x10c3_0c30_c30c_30c3;
    word = (word | word >> 4) & 0x100f_00f0_0f00_f00f;
    word = (word | word >> 8) & 0x001f_0000_ff00_00ff;
    word = (word | word >> 16) & 0x001f_0000_0000_ffff;
    ((word | word >> 32) & 0x1f_ffff) as u32
}
