//! An ONNX model beside a file of external data: the model is what is fuzzed.

#![no_main]

use atomizer_core::model::Format;

libfuzzer_sys::fuzz_target!(|model: &[u8]| {
    let data = [7; 512];
    let names = ["onnx-attributes-trees.onnx.data", "onnx-attributes-graphs.onnx.data", "w"];
    let files = [("model.onnx", model), (names[0], &data), (names[1], &data[..]), (names[2], &data[..7])];
    atomizer_fuzz::check_files(&files, Format::Onnx);
});
