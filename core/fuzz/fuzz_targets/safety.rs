//! The report on what loading a file would run, of any bytes; and that a payload stays found whatever is put before
//! and behind it in an archive.

#![no_main]

use atomizer_core::formats::FileSet;
use atomizer_core::formats::safety::{SafetyReport, Verdict, safety_report};
use atomizer_fuzz::common::peak;
use atomizer_fuzz::common::zip::{archive, stored};

/// What every report on a file with it must call dangerous.
const PAYLOAD: &[u8] = b"\x80\x02cos\nsystem\nX\x04\0\0\0true\x85R.";

fn report(bytes: &[u8]) -> SafetyReport {
    safety_report(&FileSet::single("model", Box::new(bytes)), &[], &mut || {})
}

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    atomizer_fuzz::promptly(|| {
        let (found, peak) = peak::measure(|| report(bytes));
        assert!(!found.findings.is_empty());
        // Deflated entries are held, each at most a thousand times as long as what it is stored as.
        assert!(peak <= 1100 * bytes.len() + (4 << 20), "the report on {} bytes cost {peak}", bytes.len());
    });
    let file = archive(&[stored("a", bytes), stored("b", PAYLOAD)]);
    assert_eq!(report(&file).verdict(), Verdict::Dangerous);
});
