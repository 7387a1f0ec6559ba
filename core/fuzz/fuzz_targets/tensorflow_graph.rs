//! TensorFlow's frozen graphs and SavedModels of one file.

#![no_main]

use atomizer_core::model::Format;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| atomizer_fuzz::check(bytes, Format::TensorFlow));
