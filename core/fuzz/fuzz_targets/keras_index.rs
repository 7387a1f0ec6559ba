//! The index of Keras' weights in parts: the index is what is fuzzed, its two files lie beside it.

#![no_main]

use atomizer_core::model::Format;

const FIRST: &[u8] = include_bytes!("../../../testdata/models/keras-sharded-split_00000.weights.h5");
const SECOND: &[u8] = include_bytes!("../../../testdata/models/keras-sharded-split_00001.weights.h5");

libfuzzer_sys::fuzz_target!(|index: &[u8]| {
    atomizer_fuzz::check_files(
        &[
            ("keras-sharded-split.weights.json", index),
            ("keras-sharded-split_00000.weights.h5", FIRST),
            ("keras-sharded-split_00001.weights.h5", SECOND),
        ],
        Format::TensorFlow,
    );
});
