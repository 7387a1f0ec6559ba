//! Random numbers that are the same on every machine.

use super::error::{SvdError, zeros};
use rayon::prelude::*;

/// SplitMix64 (Steele, Lea and Flood 2014).
pub(super) struct Random(u64);

impl Random {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// Numbers between −1 and 1, all of them equally likely. (Signs alone would be quicker to draw, but
    /// equal weights would cancel under them.)
    pub(super) fn matrix(&mut self, count: usize) -> Result<Vec<f32>, SvdError> {
        let mut out: Vec<f32> = zeros(count)?;
        let first = self.0;
        out.par_iter_mut().with_min_len(1 << 12).enumerate().for_each(|(i, out)| *out = number(first, i));
        self.0 = first.wrapping_add(STEP.wrapping_mul(count as u64));
        Ok(out)
    }
}

/// The state's step from one number to the next.
const STEP: u64 = 0x9e37_79b9_7f4a_7c15;

/// The i-th number from a state on.
fn number(state: u64, i: usize) -> f32 {
    let mut x = state.wrapping_add(STEP.wrapping_mul(i as u64 + 1));
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^= x >> 31;
    // The upper 23 bits as an odd number, so that none is zero: exact in an f32.
    ((x >> 41) as i32 * 2 + 1 - (1 << 23)) as f32 / (1 << 23) as f32
}
