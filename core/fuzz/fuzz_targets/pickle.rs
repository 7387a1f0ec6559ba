//! The pickle machine, without the archive around it; and the report of what a pickle would import.

#![no_main]

use atomizer_core::formats::safety::safety_report;
use atomizer_core::formats::FileSet;
use atomizer_core::model::Format;
use atomizer_fuzz::common::{peak, torch::torch_zip};

/// Storages that a pickle's tensors may lie in.
const STORAGES: [(&str, &[u8]); 4] = [("0", &[1; 64]), ("1", &[2; 64]), ("2", &[3; 256]), ("3", &[])];

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    atomizer_fuzz::check(&torch_zip(bytes, &STORAGES), Format::PyTorch);
    let report = || safety_report(&FileSet::single("model", Box::new(bytes)), &[], &mut || {});
    atomizer_fuzz::promptly(|| {
        let (_, peak) = peak::measure(report);
        // Compressed streams are held, and deflate makes up to 1032 bytes of one.
        assert!(peak <= 1100 * bytes.len() + (4 << 20), "the report on {} bytes cost {peak}", bytes.len());
    });
});
