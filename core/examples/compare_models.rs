//! Compares two models tensor by tensor, by the SHA-256 of the tensors' bytes, whatever their formats:
//!
//! `cargo run --release -p atomizer-core --example compare_models model.pt model.safetensors`
//!
//! Prints what differs, and ends with 1 when something does.

use atomizer_core::formats::{self, Detail};
use atomizer_core::hash::{Hash, Hasher};
use std::collections::BTreeMap;
use std::error::Error;
use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

/// Bytes that are read at a time.
const BUFFER_BYTES: u64 = 1 << 20;

/// Shape, data type and hash of the bytes of each tensor, by its name.
type Contents = BTreeMap<String, (Vec<u64>, &'static str, Hash)>;

fn contents(path: &Path) -> Result<Contents, Box<dyn Error>> {
    let files = formats::open_path(path)?;
    let model = formats::parse(&files, None, Detail::Summary)?;
    let mut contents = Contents::new();
    for tensor in model.tensors {
        let bytes = files.open_tensor(&tensor)?;
        let mut hasher = Hasher::default();
        let mut offset = 0;
        while offset < bytes.len() {
            let mut buffer = vec![0; (bytes.len() - offset).min(BUFFER_BYTES) as usize];
            bytes.read_at(offset, &mut buffer)?;
            hasher.update(&buffer);
            offset += buffer.len() as u64;
        }
        contents.insert(tensor.name, (tensor.shape, tensor.dtype.name(), hasher.finish()));
    }
    Ok(contents)
}

/// Writes the differences; true when there is none.
pub fn compare_models(one: &Path, two: &Path, out: &mut dyn Write) -> Result<bool, Box<dyn Error>> {
    let (one, two) = (contents(one)?, contents(two)?);
    let mut equal = 0;
    let mut differences = 0;
    for (name, content) in &one {
        match two.get(name) {
            Some(other) if other == content => equal += 1,
            Some(other) => {
                differences += 1;
                let what = match (content.1 == other.1, content.0 == other.0) {
                    (false, _) => format!("{} and {}", content.1, other.1),
                    (true, false) => format!("{:?} and {:?}", content.0, other.0),
                    (true, true) => "other weights".to_owned(),
                };
                writeln!(out, "differs\t{name}\t{what}")?;
            }
            None => {
                differences += 1;
                writeln!(out, "only in the first\t{name}")?;
            }
        }
    }
    for name in two.keys().filter(|name| !one.contains_key(*name)) {
        differences += 1;
        writeln!(out, "only in the second\t{name}")?;
    }
    writeln!(out, "{equal} tensors are equal, {differences} are not")?;
    Ok(differences == 0)
}

fn main() -> Result<ExitCode, Box<dyn Error>> {
    let arguments: Vec<_> = std::env::args_os().skip(1).collect();
    let [one, two] = &arguments[..] else { return Err("usage: compare_models MODEL MODEL".into()) };
    let equal = compare_models(Path::new(one), Path::new(two), &mut std::io::stdout().lock())?;
    Ok(if equal { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
