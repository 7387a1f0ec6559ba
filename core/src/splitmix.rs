//! Numbers that look random and are the same everywhere.

/// One output of SplitMix64 (Steele, Lea & Flood, "Fast splittable pseudorandom number generators",
/// 2014) from the state before it. Of a key plus a counter it makes a generator without a state.
pub(crate) const fn mix(state: u64) -> u64 {
    let mut z = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ z >> 31
}

#[cfg(test)]
mod tests {
    /// The first outputs for the seed 1234567, as the authors' own Java class gives them.
    #[test]
    fn outputs_are_those_of_splitmix64() {
        let gamma = 0x9e37_79b9_7f4a_7c15_u64;
        let outputs = [0, 1, 2].map(|n| super::mix(1234567u64.wrapping_add(gamma.wrapping_mul(n))));
        assert_eq!(outputs, [6457827717110365317, 3203168211198807973, 9817491932198370423]);
    }
}
