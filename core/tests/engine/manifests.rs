//! Real files and files of the official writers, against what the official readers say: name, shape,
//! data type and SHA-256 of the bytes of every tensor, as `testdata/generate/manifests_*.py` wrote them down.

use crate::{root, testdata};
use atomizer_core::formats::{self, Detail};
use atomizer_core::hash::Hasher;
use atomizer_core::model::Tensor;
use atomizer_core::source::Source;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Instant;

const STEP: usize = 256 << 10;

/// Where a manifest's file is, if it is anywhere: `tools/fetch-models` gets the large ones.
fn find(name: &str) -> Option<PathBuf> {
    let folders = ["target/models", "testdata/models", "../shared/fixtures", "../shared/fixtures/tf-frozen"];
    let names = [name.to_owned(), format!("{name}.index")];
    let paths =
        folders.iter().flat_map(|folder| names.iter().map(move |name| root().join(folder).join(name)));
    paths.into_iter().find(|path| path.exists())
}

/// Shape, data type and hash by name.
type Tensors = BTreeMap<String, (String, String, String)>;

fn read_manifest(path: &Path) -> Tensors {
    let text = std::fs::read_to_string(path).unwrap();
    text.lines()
        .map(|line| {
            let fields: Vec<&str> = line.split('\t').collect();
            let [name, shape, dtype, hash] = fields[..] else {
                panic!("{}: {line}", path.display());
            };
            let name = name.replace("\\t", "\t").replace("\\n", "\n").replace("\\\\", "\\");
            (name, (shape.to_owned(), dtype.to_owned(), hash.to_owned()))
        })
        .collect()
}

/// The SHA-256 of a tensor's bytes, read from front to back.
fn hash(tensor: &Tensor, file: &dyn Source) -> String {
    let source = tensor.open(file).unwrap();
    assert_eq!(source.len(), tensor.byte_length, "{}", tensor.name);
    let (mut hasher, mut buffer, mut offset) = (Hasher::default(), vec![0; STEP], 0);
    while offset < source.len() {
        let n = (source.len() - offset).min(STEP as u64) as usize;
        source.read_at(offset, &mut buffer[..n]).unwrap_or_else(|error| panic!("{}: {error}", tensor.name));
        hasher.update(&buffer[..n]);
        offset += n as u64;
    }
    hasher.finish().iter().map(|byte| format!("{byte:02x}")).collect()
}

fn read_model(path: &Path) -> Tensors {
    let start = Instant::now();
    let files = formats::open_path(path).unwrap();
    let model = formats::parse(&files, None, Detail::Summary)
        .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    println!("{}: opened in {:?}", path.file_name().unwrap().display(), start.elapsed());
    let mut tensors = Tensors::new();
    for tensor in &model.tensors {
        let extents: Vec<String> = tensor.shape.iter().map(u64::to_string).collect();
        let row =
            (extents.join(","), tensor.dtype.name().to_owned(), hash(tensor, files.source(tensor.file_no)));
        assert!(tensors.insert(tensor.name.clone(), row).is_none(), "{}", tensor.name);
    }
    tensors
}

#[test]
fn tensors_are_those_of_the_official_readers() {
    let mut manifests: Vec<PathBuf> = std::fs::read_dir(testdata("manifests"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "tsv"))
        .collect();
    manifests.sort();
    let (mut compared, mut in_repo) = (0, 0);
    for manifest in manifests {
        let name = manifest.file_stem().unwrap().to_str().unwrap();
        let Some(path) = find(name) else {
            println!("SKIPPED: {name} is absent");
            continue;
        };
        let (expected, found) = (read_manifest(&manifest), read_model(&path));
        assert!(!expected.is_empty(), "{name}");
        let names = |tensors: &Tensors| tensors.keys().cloned().collect::<Vec<_>>();
        assert_eq!(names(&found), names(&expected), "{name}");
        for (tensor, row) in &expected {
            assert_eq!(found[tensor], *row, "{name}: {tensor}");
        }
        println!("{name}: {} tensors", found.len());
        compared += 1;
        in_repo += usize::from(path.starts_with(testdata("models")));
    }
    println!("{compared} files compared");
    // These are part of the repository: they can't be absent.
    assert!(in_repo >= 45, "{in_repo}");
}
