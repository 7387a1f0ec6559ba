//! A TensorFlow checkpoint: the index is what is fuzzed, the shard lies beside it.

#![no_main]

use atomizer_core::model::Format;

const SHARD: &[u8] = include_bytes!("../../../testdata/models/small-keras.data-00000-of-00001");

libfuzzer_sys::fuzz_target!(|index: &[u8]| {
    atomizer_fuzz::check_files(
        &[("small-keras.index", index), ("small-keras.data-00000-of-00001", SHARD)],
        Format::TensorFlow,
    );
});
