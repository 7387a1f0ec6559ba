//! A table that counts 32-bit patterns: open addressing, key and count side by side, so that counting
//! a weight touches one cache line.

/// An occupied slot has a count above zero.
#[derive(Clone, Copy, Default)]
struct Slot {
    bits: u32,
    count: u32,
}

/// WeightCounts of 32-bit patterns.
pub struct CountTable {
    slots: Vec<Slot>,
    /// Number of occupied slots.
    distinct: usize,
    /// WeightCounts taken out of slots before they could overflow.
    spilled: Vec<(u32, u32)>,
}

/// Slots of an empty table, a power of two.
const FIRST_SLOTS: usize = 1 << 10;

impl Default for CountTable {
    fn default() -> Self {
        Self { slots: vec![Slot::default(); FIRST_SLOTS], distinct: 0, spilled: Vec::new() }
    }
}

impl CountTable {
    /// WeightCounts one occurrence.
    #[inline]
    pub fn add(&mut self, bits: u32) {
        self.add_many(bits, 1);
    }

    /// WeightCounts `count` occurrences, one at least.
    #[inline]
    pub fn add_many(&mut self, bits: u32, count: u32) {
        let position = self.find(bits);
        let slot = &mut self.slots[position];
        let before = slot.count;
        // A sum that no longer fits starts again: what was there before is kept aside.
        slot.count = before.checked_add(count).unwrap_or_else(|| {
            self.spilled.push((bits, before));
            count
        });
        if before == 0 {
            slot.bits = bits;
            self.distinct += 1;
            // Half full at most: runs of occupied slots stay short.
            if self.distinct * 2 > self.slots.len() {
                self.grow();
            }
        }
    }

    /// The slot that holds these bits, or the empty one where they belong.
    #[inline]
    fn find(&self, bits: u32) -> usize {
        let mask = self.slots.len() - 1;
        // Fibonacci hashing: the product's high bits depend on all bits of a float.
        let hash = bits.wrapping_mul(0x9e37_79b1) >> (32 - self.slots.len().trailing_zeros());
        let mut position = hash as usize & mask;
        while self.slots[position].count != 0 && self.slots[position].bits != bits {
            position = (position + 1) & mask;
        }
        position
    }

    fn grow(&mut self) {
        let doubled = vec![Slot::default(); self.slots.len() * 2];
        for slot in std::mem::replace(&mut self.slots, doubled) {
            if slot.count > 0 {
                let position = self.find(slot.bits);
                self.slots[position] = slot;
            }
        }
    }

    /// Number of distinct patterns.
    pub fn len(&self) -> usize {
        self.distinct
    }

    /// Empties the table: patterns with their counts. A pattern may come more than once.
    pub fn drain(&mut self) -> impl Iterator<Item = (u32, u64)> + use<> {
        let Self { slots, spilled, .. } = std::mem::take(self);
        let counted = slots.into_iter().filter(|slot| slot.count > 0).map(|slot| (slot.bits, slot.count));
        counted.chain(spilled).map(|(bits, count)| (bits, count.into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    #[test]
    fn agrees_with_a_map() {
        let (mut table, mut map) = (CountTable::default(), BTreeMap::new());
        let mut state = 1u32;
        for i in 0..200_000u32 {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            // Clusters of near patterns, and zero, which no slot may take for empty.
            let bits = if i % 3 == 0 { i % 700 } else { state >> 18 << 12 };
            table.add(bits);
            *map.entry(bits).or_insert(0u64) += 1;
        }
        assert_eq!(table.len(), map.len());
        assert_eq!(table.drain().collect::<BTreeMap<_, _>>(), map);
        assert_eq!(table.len(), 0);
    }

    #[test]
    fn a_full_slot_spills() {
        let mut table = CountTable::default();
        table.add(7);
        table.add_many(7, u32::MAX - 1);
        table.add(7);
        table.add(7);
        assert_eq!(table.drain().map(|(_, count)| count).sum::<u64>(), u64::from(u32::MAX) + 2);
    }
}
