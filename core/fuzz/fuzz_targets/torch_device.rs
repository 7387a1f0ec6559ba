//! A tensor of a device: the pickle of NumPy's array in it is what is fuzzed, the call around it stands. The first
//! byte chooses the type that the tensor is to have.

#![no_main]

use atomizer_core::model::Format;
use atomizer_fuzz::common::torch::{dict, legacy, torch_zip};

const DTYPES: [&str; 8] =
    ["float32", "bfloat16", "float64", "float16", "int64", "uint8", "bool", "complex64"];

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let Some((dtype, array)) = bytes.split_first() else { return };
    // A pickle of its own begins with its protocol and ends with a point.
    let array = array.strip_prefix(&[0x80]).and_then(|rest| rest.get(1..)).unwrap_or(array);
    let array = array.strip_suffix(b".").unwrap_or(array);
    let pickle = dict(|pickle| {
        let pickle = pickle.text("w").global("torch._utils", "_rebuild_device_tensor_from_numpy");
        let pickle = pickle.op(b"(").op(array);
        pickle.global("torch", DTYPES[usize::from(*dtype) % DTYPES.len()]).text("xla:0").op(b"\x89tR")
    });
    atomizer_fuzz::check(&torch_zip(&pickle, &[]), Format::PyTorch);
    atomizer_fuzz::check(&legacy(&pickle, &[]), Format::PyTorch);
});
