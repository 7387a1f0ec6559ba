//! Writes one tensor of a model as a NumPy array, dequantized:
//!
//! `cargo run --release -p atomizer-core --example tensor_to_npy model.gguf output.weight out.npy`

use atomizer_core::formats::{self, Detail};
use atomizer_core::weights::{self, Weights};
use std::error::Error;
use std::io::Write;
use std::path::Path;

/// The header of version 1.0 of NumPy's format (`numpy.lib.format`): magic, version, and a dictionary
/// padded so that the data starts at a multiple of 64 bytes.
fn npy_header(descr: &str, shape: &[u64]) -> Result<Vec<u8>, Box<dyn Error>> {
    let extents: String = shape.iter().map(|extent| format!("{extent}, ")).collect();
    let mut dictionary = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': ({extents}), }}");
    let unpadded = b"\x93NUMPY\x01\x00".len() + 2 + dictionary.len() + 1;
    dictionary.push_str(&" ".repeat(unpadded.next_multiple_of(64) - unpadded));
    dictionary.push('\n');
    let length = u16::try_from(dictionary.len())?;
    Ok([b"\x93NUMPY\x01\x00", &length.to_le_bytes()[..], dictionary.as_bytes()].concat())
}

/// Writes the tensor of this name.
pub fn tensor_to_npy(path: &Path, name: &str, out: &mut dyn Write) -> Result<(), Box<dyn Error>> {
    let files = formats::open_path(path)?;
    let model = formats::parse(&files, None, Detail::Summary)?;
    let tensor = model
        .tensors
        .iter()
        .find(|tensor| tensor.name == name)
        .ok_or_else(|| format!("the model has no tensor \"{name}\": list_tensors shows the names"))?;

    let mut bytes = vec![0; usize::try_from(tensor.byte_length)?];
    files.open_tensor(tensor)?.read_at(0, &mut bytes)?;
    let (descr, data): (_, Vec<u8>) = match weights::decode(tensor.dtype, &bytes)? {
        Weights::F32(values) => ("<f4", values.iter().flat_map(|value| value.to_le_bytes()).collect()),
        Weights::F64(values) => ("<f8", values.iter().flat_map(|value| value.to_le_bytes()).collect()),
        Weights::I64(values) => ("<i8", values.iter().flat_map(|value| value.to_le_bytes()).collect()),
        Weights::U64(values) => ("<u8", values.iter().flat_map(|value| value.to_le_bytes()).collect()),
    };
    out.write_all(&npy_header(descr, &tensor.shape)?)?;
    out.write_all(&data)?;
    Ok(())
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [model, tensor, out] = &arguments[..] else {
        return Err("usage: tensor_to_npy MODEL TENSOR OUT.npy".into());
    };
    let mut npy = Vec::new();
    tensor_to_npy(Path::new(model), tensor, &mut npy)?;
    std::fs::write(out, npy)?;
    Ok(())
}
