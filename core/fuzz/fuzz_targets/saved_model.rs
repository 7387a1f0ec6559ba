//! A SavedModel with variables: its graph, which may have weights as constants, is what is fuzzed.

#![no_main]

use atomizer_core::model::Format;

const INDEX: &[u8] = include_bytes!("../../../testdata/models/savedmodel-beside/variables/variables.index");
const DATA: &[u8] =
    include_bytes!("../../../testdata/models/savedmodel-beside/variables/variables.data-00000-of-00001");

libfuzzer_sys::fuzz_target!(|graph: &[u8]| {
    let files = [
        ("saved_model.pb", graph),
        ("variables/variables.index", INDEX),
        ("variables/variables.data-00000-of-00001", DATA),
    ];
    atomizer_fuzz::check_files(&files, Format::TensorFlow);
});
