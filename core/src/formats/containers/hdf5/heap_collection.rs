//! One piece of the global heap, as it is kept while its texts are read.

use std::collections::HashMap;
use std::ops::Range;

/// One piece of the heap, and where its objects lie in it.
pub(super) struct Collection {
    pub(super) address: u64,
    pub(super) bytes: Vec<u8>,
    pub(super) objects: HashMap<u16, Range<usize>>,
}
