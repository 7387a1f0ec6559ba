//! The index of sharded safetensors: the index is what is fuzzed, the one shard lies beside it.

#![no_main]

use atomizer_core::model::Format;

const SHARD: &[u8] = include_bytes!("../../../testdata/models/same.safetensors");

libfuzzer_sys::fuzz_target!(|index: &[u8]| {
    atomizer_fuzz::check_files(
        &[("model.safetensors.index.json", index), ("model.safetensors", SHARD)],
        Format::SafeTensors,
    );
});
