//! The programs of `core/examples` do what their first lines say.

use crate::common::Folder;
use crate::common::gguf::{Gguf, entry};
use crate::testdata;
use std::path::Path;

#[allow(dead_code, reason = "main is what cargo runs")]
#[path = "../../examples"]
mod programs {
    pub mod compare_models;
    pub mod list_tensors;
    pub mod tensor_to_npy;
}
use programs::compare_models::compare_models;
use programs::list_tensors::list_tensors;
use programs::tensor_to_npy::tensor_to_npy;

fn listed(path: &Path) -> String {
    let mut out = Vec::new();
    list_tensors(path, &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

#[test]
fn tensors_are_listed() {
    for (name, first) in [("same.gguf", "GGUF, llama"), ("same.pt", "PyTorch, unknown")] {
        assert_eq!(
            listed(&testdata("models").join(name)),
            format!("{first}: 1 tensors, 1536 weights\nblk.0.ffn_down.weight\tF16\t[48, 32]\t3072 bytes\n"),
        );
    }
    let error = list_tensors(&testdata("README.md"), &mut Vec::new()).unwrap_err().to_string();
    assert!(!error.is_empty());
}

/// A quantized tensor becomes the weights that the reference makes of it.
#[test]
fn a_tensor_becomes_an_array_of_numpy() {
    let encoded = std::fs::read(testdata("quant/q4_k.bytes")).unwrap();
    let expected = std::fs::read(testdata("quant/q4_k.f32")).unwrap();
    let weights = expected.len() as u64 / 4;
    let folder = Folder::new("npy");
    let file = Gguf::new().tensor(entry("w", &[256, weights / 256], 12, 0)).data(encoded).build();
    let path = folder.write("model.gguf", &file);

    let mut npy = Vec::new();
    tensor_to_npy(&path, "w", &mut npy).unwrap();
    let (header, data) = npy.split_at(128);
    assert_eq!(&header[..10], b"\x93NUMPY\x01\x00\x76\x00");
    let dictionary = std::str::from_utf8(&header[10..]).unwrap();
    let shape = format!("({}, 256, )", weights / 256);
    assert_eq!(
        dictionary.trim_end(),
        format!("{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}, }}")
    );
    assert!(dictionary.ends_with(" \n"));
    assert_eq!(data.len(), expected.len());
    for (found, expected) in data.chunks_exact(4).zip(expected.chunks_exact(4)) {
        let nan = |word: &[u8]| f32::from_le_bytes(word.try_into().unwrap()).is_nan();
        assert!(found == expected || nan(found) && nan(expected));
    }

    let error = tensor_to_npy(&path, "v", &mut Vec::new()).unwrap_err().to_string();
    assert!(error.contains("no tensor \"v\""), "{error}");
}

#[test]
fn models_are_compared_across_formats() {
    let compare = |one: &Path, two: &Path| {
        let mut out = Vec::new();
        let equal = compare_models(one, two, &mut out).unwrap();
        (equal, String::from_utf8(out).unwrap())
    };
    let same = |suffix: &str| testdata("models").join(format!("same.{suffix}"));
    for suffix in ["gguf", "onnx", "safetensors"] {
        assert_eq!(
            compare(&same("pt"), &same(suffix)),
            (true, "1 tensors are equal, 0 are not\n".to_owned())
        );
    }

    let folder = Folder::new("compare");
    let write = |name: &str, tensors: &[(&str, u64, u32, u8)]| {
        let mut file = Gguf::new();
        let mut data = Vec::new();
        for &(name, extent, type_id, byte) in tensors {
            file = file.tensor(entry(name, &[extent], type_id, data.len() as u64));
            data.extend([byte; 32]);
        }
        folder.write(name, &file.data(data).build())
    };
    // F32 is type 0, F16 1; each tensor has 32 bytes.
    let one = write("one", &[("a", 8, 0, 1), ("b", 8, 0, 1), ("c", 8, 0, 1), ("d", 8, 0, 1)]);
    let two = write("two", &[("a", 8, 0, 1), ("b", 8, 0, 2), ("c", 16, 1, 1), ("e", 8, 0, 1)]);
    let expected = "differs\tb\tother weights\ndiffers\tc\tF32 and F16\nonly in the first\td\n\
        only in the second\te\n1 tensors are equal, 4 are not\n";
    assert_eq!(compare(&one, &two), (false, expected.to_owned()));
}
