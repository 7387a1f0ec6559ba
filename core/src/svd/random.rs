//! Random numbers that are the same on every machine.

use super::{SvdError, reserved};

/// SplitMix64 (Steele, Lea and Flood 2014).
pub(super) struct Random(u64);

impl Random {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut x = self.0;
        x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        x ^ (x >> 31)
    }

    /// Numbers between −1 and 1, all of them equally likely. (Signs alone would be quicker to draw, but
    /// equal weights would cancel under them.)
    pub(super) fn matrix(&mut self, count: usize) -> Result<Vec<f32>, SvdError> {
        let mut out = reserved(count)?;
        // The upper 25 bits, as an odd number of 26, so that none is zero: exact in an f32.
        out.extend((0..count).map(|_| {
            let number = (self.next() >> 41) as i32 * 2 + 1 - (1 << 23);
            number as f32 / (1 << 23) as f32
        }));
        Ok(out)
    }
}
