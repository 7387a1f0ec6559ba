//! Comparing checksums.

/// True when a stored checksum is not the one of the bytes. A fuzzer could not make checksums that
/// fit, as an attacker can: for it, any will do.
pub(crate) fn is_damaged<T: PartialEq>(stored: T, computed: T) -> bool {
    stored != computed && !cfg!(fuzzing)
}
