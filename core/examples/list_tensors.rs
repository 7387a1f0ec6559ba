//! Lists the tensors of a model in any format that the engine reads, from its header alone:
//!
//! `cargo run --release -p atomizer-core --example list_tensors model.gguf`
//!
//! A model of several files is given by one of them, or by its folder or index.

use atomizer_core::formats::{self, Detail};
use std::error::Error;
use std::io::Write;
use std::path::Path;

/// Writes a line for the model and one for each tensor.
pub fn list_tensors(path: &Path, out: &mut dyn Write) -> Result<(), Box<dyn Error>> {
    let files = formats::open_path(path)?;
    let model = formats::parse(&files, None, Detail::Summary)?;
    writeln!(
        out,
        "{}, {}: {} tensors, {} weights",
        model.format.name(),
        model.architecture,
        model.tensors.len(),
        model.parameter_count()
    )?;
    for tensor in &model.tensors {
        writeln!(
            out,
            "{}\t{}\t{:?}\t{} bytes",
            tensor.name,
            tensor.dtype.name(),
            tensor.shape,
            tensor.byte_length
        )?;
    }
    Ok(())
}

fn main() -> Result<(), Box<dyn Error>> {
    let path = std::env::args_os().nth(1).ok_or("usage: list_tensors MODEL")?;
    list_tensors(Path::new(&path), &mut std::io::stdout().lock())
}
