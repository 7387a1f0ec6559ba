//! From counts of weights to references to their atoms.

use super::counter::WeightCounts;
use crate::hash::Hash;
use crate::weights::AtomicValue;

/// How often an atom of a weight is referred to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WeightReference {
    /// The atom's key.
    pub hash: Hash,
    /// The atom's content.
    pub value: AtomicValue,
    /// Number of weights.
    pub count: u64,
}

/// The references that counts are, sorted by key: whoever locks rows in this order waits for no one in
/// a circle. A weight that several threads or types have counted has one reference.
pub fn weight_references(counts: &WeightCounts) -> Vec<WeightReference> {
    let reference = |&(width, bits, count)| {
        let value = AtomicValue::from_bits(width, bits);
        WeightReference { hash: value.hash(), value, count }
    };
    let mut references: Vec<WeightReference> = counts.iter().map(reference).collect();
    references.sort_unstable_by_key(|reference| reference.hash);
    references.dedup_by(|next, kept| {
        let same = next.hash == kept.hash;
        if same {
            kept.count += next.count;
        }
        same
    });
    references
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hash::sha256;
    use crate::weights::Width;

    #[test]
    fn references_are_sorted_by_their_keys() {
        let counts: WeightCounts = (0..100u32)
            .map(|i| (Width::F32, f32::from_bits(i << 20).to_bits().into(), u64::from(i)))
            .collect();
        let references = weight_references(&counts);
        assert_eq!(references.len(), 100);
        assert!(references.is_sorted_by_key(|reference| reference.hash));
        for reference in references {
            let bits = (reference.count as u32) << 20;
            assert_eq!(reference.value.as_bytes(), bits.to_be_bytes());
            assert_eq!(reference.hash, sha256(&bits.to_be_bytes()));
        }
    }

    #[test]
    fn a_weight_that_comes_twice_has_one_reference() {
        let one = f64::from(1.0f32).to_bits();
        let counts = vec![
            (Width::F32, 1f32.to_bits().into(), 3),
            (Width::F64, one, 5),
            (Width::F32, 1f32.to_bits().into(), 4),
            // The same eight bytes, and so the same atom.
            (Width::I64, one, 6),
        ];
        let mut counts: Vec<u64> = weight_references(&counts).iter().map(|found| found.count).collect();
        counts.sort_unstable();
        assert_eq!(counts, [7, 11]);
    }
}
