//! PyTorch's files of before 1.6: a chain of pickles, then the storages.

#![no_main]

use atomizer_core::model::Format;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| atomizer_fuzz::check(bytes, Format::PyTorch));
