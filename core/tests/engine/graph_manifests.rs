//! Every tensor of real models of ONNX, TensorFlow and Stable Diffusion, against manifests that
//! `testdata/generate/manifests_graphs.py` made with the official readers: names, shapes, data types, and the
//! SHA-256 of the bytes. The small files of `testdata/models` are always there; `tools/fetch-models` gets the
//! others into `target/models`.

use crate::{root, testdata};
use atomizer_core::formats::{self, Detail};
use atomizer_core::hash::Hasher;
use atomizer_core::layers;
use atomizer_core::model::{Format, Model, Tensor};
use atomizer_core::source::Source;
use std::collections::BTreeMap;
use std::path::PathBuf;

/// Where a model is; says so when it is absent.
fn find(path: &str) -> Option<PathBuf> {
    let folders = ["testdata/models", "target/models", "../shared/fixtures"];
    let found = folders.iter().map(|folder| root().join(folder).join(path)).find(|path| path.exists());
    if found.is_none() {
        println!("SKIPPED: {path} is absent: tools/fetch-models gets it");
    }
    found
}

/// The SHA-256 of a tensor's bytes, read in pieces of an odd size.
fn digest(tensor: &Tensor, file: &dyn Source) -> String {
    let source = tensor.open(file).unwrap();
    assert_eq!(source.len(), tensor.byte_length, "{}", tensor.name);
    let (mut hasher, mut piece) = (Hasher::default(), vec![0; 99_991]);
    let mut offset = 0;
    while offset < source.len() {
        let n = (source.len() - offset).min(piece.len() as u64) as usize;
        source.read_at(offset, &mut piece[..n]).unwrap();
        hasher.update(&piece[..n]);
        offset += n as u64;
    }
    hasher.finish().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Name, shape, type and digest of each tensor.
type Rows = BTreeMap<String, [String; 3]>;

/// Compares a model with its manifest; none where the model is absent.
#[track_caller]
fn check(name: &str, path: &str, format: Format) -> Option<Model> {
    let path = find(path)?;
    let manifest = std::fs::read_to_string(testdata("manifests").join(format!("{name}.tsv"))).unwrap();
    let expected: Rows = manifest
        .lines()
        .map(|line| {
            let row: [&str; 4] = line.split('\t').collect::<Vec<_>>().try_into().unwrap();
            let [name, shape, dtype, digest] = row.map(str::to_owned);
            (name, [shape, dtype, digest])
        })
        .collect();
    let files = formats::open_path(&path).unwrap();
    let model = formats::parse(&files, Some(format), Detail::Full).unwrap();
    let found: Rows = model
        .tensors
        .iter()
        .map(|tensor| {
            let shape: Vec<String> = tensor.shape.iter().map(u64::to_string).collect();
            let digest = digest(tensor, files.source(tensor.file_no));
            (tensor.name.clone(), [shape.join(","), tensor.dtype.name().into(), digest])
        })
        .collect();
    for (name, row) in &expected {
        assert_eq!(found.get(name), Some(row), "{name}");
    }
    let extra: Vec<_> = found.keys().filter(|name| !expected.contains_key(*name)).collect();
    assert!(extra.is_empty(), "not in the manifest: {extra:?}");
    let derived = model.tensors.iter().filter(|tensor| tensor.lazy.is_some()).count();
    println!("{name}: {} tensors, {derived} of them computed; {}", found.len(), model.architecture);
    Some(model)
}

#[track_caller]
fn value(model: &Model, key: &str) -> String {
    let pair = model.metadata.iter().find(|(name, _)| name == key);
    let mut json = String::new();
    atomizer_core::metadata::push_json(&mut json, &pair.unwrap_or_else(|| panic!("no {key}")).1);
    json
}

#[test]
fn small_onnx_of_everything() {
    let model = check("small-all.onnx", "small-all.onnx", Format::Onnx).unwrap();
    assert_eq!(value(&model, "producer_name"), "\"make_graphs\"");
    assert_eq!(value(&model, "opset_import.ai.onnx"), "21");
    assert_eq!(value(&model, "opset_import.local"), "1");
    assert_eq!(value(&model, "metadata_props.author"), "\"nobody\"");
    assert_eq!(value(&model, "graph.name"), "\"all\"");
    assert_eq!(value(&model, "graph.outputs"), "1");
    assert_eq!(model.unlisted().0, 3);
    assert_eq!(value(&model, "onnx.sparse_tensors"), "[\"c_sparse [3, 3]\",\"s [3, 3]\"]");
}

#[test]
fn small_onnx_with_external_data() {
    let model = check("small-external.onnx", "small-external.onnx", Format::Onnx).unwrap();
    let tied: Vec<bool> = model
        .tensors
        .iter()
        .filter(|tensor| tensor.file_no > 0)
        .map(|tensor| tensor.lazy.is_some())
        .collect();
    assert_eq!(tied.len(), 4);
    assert_eq!(tied.iter().filter(|derived| **derived).count(), 1);
}

#[test]
fn small_graph_of_everything() {
    let model = check("small-all.pb", "small-all.pb", Format::TensorFlow).unwrap();
    assert_eq!(value(&model, "graph.producer"), "2000");
}

#[test]
fn small_checkpoints() {
    // By its index, and by what its files' names begin with.
    for name in ["small-partitioned.index", "small-partitioned"] {
        let path = find("small-partitioned.index").unwrap().with_file_name(name);
        assert_eq!(formats::open_path(&path).unwrap().len(), 2);
    }
    let model = check("small-partitioned", "small-partitioned.index", Format::TensorFlow).unwrap();
    let computed: Vec<_> = model.tensors.iter().filter(|tensor| tensor.lazy.is_some()).collect();
    assert_eq!(computed.len(), 1, "slices along the first axis are the variable as it is");
    assert_eq!(computed[0].name, "columns");
    let model = check("small-keras.index", "small-keras.index", Format::TensorFlow).unwrap();
    let key = "full_name.model/_functional/_operations/1/_kernel/.ATTRIBUTES/VARIABLE_VALUE";
    assert_eq!(value(&model, key), "\"sequential/first/kernel\"");
}

#[test]
fn onnx_models() {
    for name in [
        "silero-vad.onnx",
        "silero-vad-16k-op15.onnx",
        "magika.onnx",
        "rapidocr-rec.onnx",
        "rapidocr-det.onnx",
        "rapidocr-cls.onnx",
        "onnx-all-dtypes.onnx",
    ] {
        check(name, name, Format::Onnx);
    }
}

#[test]
fn saved_models() {
    for name in ["basic-pitch", "guesslang", "keras3_savedmodel"] {
        let by_folder = check(name, name, Format::TensorFlow);
        let by_graph = check(name, &format!("{name}/saved_model.pb"), Format::TensorFlow);
        assert_eq!(by_folder.map(|model| model.tensors.len()), by_graph.map(|model| model.tensors.len()));
    }
}

#[test]
fn frozen_graphs() {
    check("tf2-frozen-graphdef.pb", "tf2-frozen-graphdef.pb", Format::TensorFlow);
    check("lstm.pb", "tf-frozen/lstm.pb", Format::TensorFlow);
    check("gru.pb", "tf-frozen/gru.pb", Format::TensorFlow);
}

#[test]
fn stable_diffusion() {
    let name = "sd15-tiny-f16.safetensors";
    let Some(model) = check(name, name, Format::SafeTensors) else { return };
    assert_eq!(model.architecture, "stable-diffusion-v1-5");
    assert_eq!(value(&model, "atomizer.components"), "[\"text_encoder\",\"unet\",\"vae\"]");
    let mut kinds: BTreeMap<&str, usize> = BTreeMap::new();
    for tensor in &model.tensors {
        *kinds.entry(layers::classify(&tensor.name).name()).or_default() += 1;
    }
    println!("{kinds:?}");
    for kind in ["UNetDown", "UNetMid", "UNetUp", "VAE", "TextEncoder", "TimeEmbedding"] {
        assert!(kinds.contains_key(kind), "{kind}");
    }
    let strays: Vec<_> = model
        .tensors
        .iter()
        .filter(|tensor| layers::classify(&tensor.name).name() == "Unknown")
        .map(|t| &t.name)
        .collect();
    assert!(strays.len() < 12, "{strays:?}");
}
