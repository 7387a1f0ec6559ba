//! TensorFlow's files written by hand: what is refused and why, partitioned variables, SavedModel
//! folders, and how the kinds of files are told apart.

use crate::common::protobuf::{borders, bytes, float, int, message};
use crate::common::table::{block, entry, header, index, shape, table};
use crate::common::{Folder, Kind, assert_refused, assert_sane, noise, open, open_files, peak};
use crate::testdata;
use atomizer_core::dtype::Dtype;
use atomizer_core::formats::{self, Detail, FileSet, ParseError};
use atomizer_core::model::{Format, Model};
use atomizer_core::source::Source;
use proptest::prelude::*;
use std::path::Path;

fn small(name: &str) -> Vec<u8> {
    std::fs::read(testdata("models").join(name)).unwrap()
}

/// A checkpoint "c" of an index and shards.
fn open_checkpoint(index: &[u8], shards: &[&[u8]]) -> Result<Model, ParseError> {
    let names: Vec<String> =
        (0..shards.len()).map(|number| format!("c.data-{number:05}-of-{:05}", shards.len())).collect();
    let shards = names.iter().zip(shards).map(|(name, bytes)| (&name[..], *bytes));
    open_files(&[("c.index", index)].into_iter().chain(shards).collect::<Vec<_>>())
}

/// The bytes of a tensor of a model of these files.
fn content(model: &Model, files: &[&[u8]], number: usize) -> Vec<u8> {
    let tensor = &model.tensors[number];
    let mut found = vec![0; tensor.byte_length as usize];
    tensor.open(&files[tensor.file_no]).unwrap().read_at(0, &mut found).unwrap();
    found
}

/// A constant: `NodeDef` with a `TensorProto`.
fn constant(name: &str, tensor: &[Vec<u8>]) -> Vec<u8> {
    let value = bytes(8, message(tensor));
    let entry = message(&[bytes(1, "value"), bytes(2, value)]);
    bytes(1, message(&[bytes(1, name), bytes(2, "Const"), bytes(5, entry)]))
}

fn saved_model(graph: &[u8]) -> Vec<u8> {
    let meta = message(&[bytes(1, message(&[bytes(4, "serve"), bytes(5, "2.21.0")])), bytes(2, graph)]);
    message(&[int(1, 1), bytes(2, meta)])
}

#[test]
fn a_graph_cut_short_anywhere() {
    let whole = small("small-all.pb");
    let borders = borders(&whole);
    for cut in 0..whole.len() {
        match open(&whole[..cut], Detail::Summary) {
            // Nodes are fields of the file itself: some of them are a graph too.
            Ok(_) => assert!(borders.contains(&cut), "cut at {cut}"),
            Err(error) => assert!(crate::common::fits_a_log(&error.to_string())),
        }
    }
}

#[test]
fn a_checkpoint_cut_short_or_damaged_anywhere() {
    for name in ["small-keras", "small-partitioned"] {
        let whole = small(&format!("{name}.index"));
        let data = small(&format!("{name}.data-00000-of-00001"));
        let tensors = |model: Model| -> Vec<_> {
            model.tensors.into_iter().map(|tensor| (tensor.name, tensor.shape, tensor.offset)).collect()
        };
        let expected = tensors(open_checkpoint(&whole, &[&data]).unwrap());
        for cut in 0..whole.len() {
            assert!(open_checkpoint(&whole[..cut], &[&data]).is_err(), "{name} cut at {cut}");
        }
        for cut in 0..data.len() {
            let result = open_checkpoint(&whole, &[&data[..cut]]);
            assert_refused(result, Kind::Malformed, &format!("but that file has {cut}"));
        }
        for position in 0..whole.len() {
            for bit in 0..8 {
                let mut damaged = whole.clone();
                damaged[position] ^= 1 << bit;
                // Nothing reads the padding of the footer and the empty statistics.
                if let Ok(model) = open_checkpoint(&damaged, &[&data]) {
                    assert_eq!(tensors(model), expected, "{name}, byte {position}");
                }
            }
        }
    }
}

#[test]
fn values_that_are_missing_repeat_the_last() {
    let splat = |extent, values: Vec<u8>| constant("c", &[int(1, 1), bytes(2, shape(&[extent])), values]);
    // One value for 4 TB: no file needs that, and nothing is allocated for it.
    let bomb = splat(1 << 40, bytes(5, 1f32.to_le_bytes()));
    assert_refused(open(&bomb, Detail::Summary), Kind::TooLarge, "the last of them repeated");
    let bomb = splat(1 << 40, vec![]);
    assert_refused(open(&bomb, Detail::Summary), Kind::TooLarge, "0 values");
    // Many that are each allowed are not allowed together.
    let many: Vec<u8> = (0..20)
        .flat_map(|number| {
            constant(
                &format!("{number}"),
                &[int(1, 1), bytes(2, shape(&[1 << 26])), bytes(5, 1f32.to_le_bytes())],
            )
        })
        .collect();
    assert_refused(open(&many, Detail::Summary), Kind::TooLarge, "at most 2147483648");
    let file = splat(1 << 26, float(5, 1.5));
    let model = open(&file, Detail::Summary).unwrap();
    let source = &file[..];
    let open = model.tensors[0].open(&source).unwrap();
    let mut last = [0; 4];
    open.read_at((1 << 28) - 4, &mut last).unwrap();
    assert_eq!(f32::from_le_bytes(last), 1.5);
}

/// A `NodeDef` with inputs, and the function that it calls.
fn operation(name: &str, op: &str, inputs: &[&str], called: &str) -> Vec<u8> {
    let inputs: Vec<u8> = inputs.iter().flat_map(|input| bytes(3, input)).collect();
    let called = match called {
        "" => Vec::new(),
        name => bytes(5, message(&[bytes(1, "f"), bytes(2, bytes(10, bytes(1, name)))])),
    };
    bytes(1, message(&[bytes(1, name), bytes(2, op), inputs, called]))
}

#[test]
fn texts_of_saving_are_not_told() {
    let text = |name: &str| constant(name, &[int(1, 7)]);
    let save = |scope: &str| {
        let nodes = [
            text("part"),
            text("temp"),
            text("kept"),
            operation("choice", "Select", &["flag", "part:output:0", "temp:output:0"], ""),
            operation("path", "StringJoin", &["prefix", "choice:output:0"], ""),
            operation("shard", "ShardedFilename", &["path:output:0"], ""),
            operation("save", "SaveV2", &["shard:filename:0", "graph"], ""),
            operation("back", "Identity", &["kept:output:0", "^save"], ""),
        ];
        let nodes: Vec<u8> = nodes
            .iter()
            .flat_map(|node| {
                let mut node = node.clone();
                node[0] = 3 << 3 | 2;
                node
            })
            .collect();
        let signature =
            bytes(1, message(&[bytes(1, scope), bytes(2, bytes(1, "prefix")), bytes(2, bytes(1, "graph"))]));
        let returned = bytes(4, message(&[bytes(1, "result"), bytes(2, "back:output:0")]));
        bytes(1, message(&[signature, nodes, returned]))
    };
    let library = bytes(2, save("traced_save"));
    let graph = message(&[
        text("objects"),
        text("labels"),
        text("alone"),
        text("both"),
        operation("file", "Placeholder", &[], ""),
        operation("call", "StatefulPartitionedCall", &["file", "objects"], "traced_save"),
        operation("again", "StatefulPartitionedCall", &["file", "both"], "traced_save"),
        operation("table", "LookupTableImportV2", &["labels", "both:0"], ""),
        constant("w", &[int(1, 1), bytes(2, shape(&[1])), bytes(5, [0; 4])]),
        library,
    ]);
    for file in [saved_model(&graph), graph] {
        let model = open(&file, Detail::Full).unwrap();
        let (_, reasons) = model.unlisted();
        let mut names: Vec<&str> = reasons.iter().filter_map(|reason| reason.split(':').next()).collect();
        names.sort_unstable();
        assert_eq!(names, ["alone", "both", "labels", "traced_save/kept"]);
        assert_eq!(model.tensors.len(), 1);
    }
}

#[test]
fn following_texts_takes_little_memory() {
    let inputs = vec!["t"; 200_000];
    for length in [4_000, 400_000] {
        let name = "n".repeat(length);
        let graph = message(&[constant("t", &[int(1, 7)]), operation(&name, "Identity", &inputs, "")]);
        let (model, peak) = peak::measure(|| open(&graph, Detail::Summary).unwrap());
        assert_eq!(model.unlisted().0, 1);
        assert!(peak < 64 << 20, "{length}: {peak}");
    }
}

#[test]
fn what_no_graph_holds() {
    let refused = |tensor: &[Vec<u8>], words: &str| {
        assert_refused(open(&constant("c", tensor), Detail::Summary), Kind::Malformed, words);
    };
    refused(&[int(1, 1), bytes(2, shape(&[2])), bytes(4, [0; 7])], "takes 8 bytes, but tensor_content has 7");
    refused(&[int(1, 1), bytes(2, shape(&[1])), bytes(5, [0; 8])], "takes 1 numbers, but float_val has 2");
    refused(&[int(1, 1), bytes(2, shape(&[u64::MAX]))], "the extent -1");
    refused(&[int(1, 1), bytes(2, int(3, 1))], "of unknown rank");
    refused(&[int(1, 1), bytes(2, shape(&[1 << 40, 1 << 40]))], "2^63 weights or more");
    refused(&[int(1, 2), bytes(2, shape(&[1 << 61]))], "2^64 bytes or more");
    refused(&[int(1, 1), bytes(2, shape(&[1; 65]))], "more than 64 dimensions");
    refused(&[int(1, 1), int(1, 1)], "data type is there twice");
    let unknown = constant("c", &[int(1, 99)]);
    assert_refused(open(&unknown, Detail::Summary), Kind::Unsupported, "unknown data type 99");
    let twice = [constant("c", &[int(1, 1)]), constant("c", &[int(1, 1)])].concat();
    assert_refused(open(&twice, Detail::Summary), Kind::Malformed, "listed twice");
    // Texts are not weights, and a reference to a type is that type.
    let file = [constant("t", &[int(1, 7)]), constant("r", &[int(1, 101)])].concat();
    let model = open(&file, Detail::Summary).unwrap();
    assert_eq!(model.tensors.len(), 1);
    assert_eq!(model.tensors[0].dtype, Dtype::F32);
}

#[test]
fn a_table_in_several_blocks_and_compressed() {
    let data = noise(1, 12);
    let snappy = |bytes: &[u8]| snap::raw::Encoder::new().compress_vec(bytes).unwrap();
    let first = block(&[(b"", header(1, false)), (b"a", entry(1, &[2], 0, 0, 8))]);
    let second = block(&[(b"b", entry(19, &[2], 0, 8, 4))]);
    let file = table(&[(snappy(&first), 1), (second.clone(), 0)]);
    let model = open_checkpoint(&file, &[&data]).unwrap();
    assert_eq!(content(&model, &[&file, &data], 0), data[..8]);
    assert_eq!(model.tensors[1].dtype, Dtype::F16);

    let refused = |blocks: &[(Vec<u8>, u8)], kind: Kind, words: &str| {
        assert_refused(open_checkpoint(&table(blocks), &[&data]), kind, words);
    };
    refused(&[(first.clone(), 1)], Kind::Malformed, "is not Snappy");
    refused(&[(vec![0xff, 0xff, 0xff, 0xff, 0x0f], 1)], Kind::TooLarge, "expands to 4294967295 bytes");
    refused(&[(vec![0xff, 0xff, 0xff, 0x0f], 1)], Kind::Malformed, "cannot expand from 4 bytes");
    refused(&[(first.clone(), 7)], Kind::Unsupported, "unknown compression 7");
    refused(&[(second.clone(), 0), (first.clone(), 0)], Kind::Malformed, "begin with its header");
    refused(&[(first.clone(), 0), (first, 0)], Kind::Malformed, "do not ascend");
    refused(&[(vec![0, 0, 0], 0)], Kind::Malformed, "shorter than its restarts");
    refused(&[(vec![0, 0, 0, 9, 9, 0, 0, 0], 0)], Kind::Malformed, "shorter than its restarts");
    refused(&[(vec![0, 5, 5, 1, 0, 0, 0, 0], 0)], Kind::Malformed, "a key of 5 and a value of 5 bytes");
    refused(&[(vec![9, 0, 0, 0, 0, 0, 0], 0)], Kind::Malformed, "shares 9 bytes");
    let old = block(&[(b"", bytes(1, bytes(1, "meta")))]);
    refused(&[(old, 0)], Kind::Unsupported, "TensorFlow's first format");
    for shards in [0, 513, u64::MAX] {
        refused(&[(block(&[(b"", header(shards, false))]), 0)], Kind::Malformed, "shards (1 to 512");
    }
}

#[test]
fn entries_lead_into_their_shards() {
    let data = noise(2, 16);
    let one = |entry: Vec<u8>| open_checkpoint(&index(1, &[(b"v", entry)]), &[&data]);
    assert_eq!(one(entry(1, &[4], 0, 0, 16)).unwrap().tensors[0].offset, 0);
    let refused = |entry, words: &str| assert_refused(one(entry), Kind::Malformed, words);
    refused(
        entry(1, &[4], 0, 1, 16),
        "16 bytes at byte 1 of \"c.data-00000-of-00001\", but that file has 16",
    );
    refused(entry(1, &[4], 0, u64::MAX, 16), "that file has 16");
    refused(entry(1, &[4], 0, 0, u64::MAX), "that file has 16");
    refused(entry(1, &[4], 0, 0, 12), "takes 16 bytes, but the checkpoint has 12");
    refused(entry(1, &[4], 1, 0, 16), "in shard 1, but there are 1");
    refused(entry(1, &[4], u64::MAX, 0, 16), "in shard -1");
    refused(entry(1, &[u64::MAX], 0, 0, 16), "the extent -1");
    let alone = open_files(&[("c.index", &index(1, &[(b"v", entry(1, &[4], 0, 0, 16))]))]);
    assert_refused(alone, Kind::Source, "\"c.data-00000-of-00001\", which was not given");
    // Texts and handles are passed over.
    let model = one(entry(7, &[4], 0, 0, 16)).unwrap();
    assert!(model.tensors.is_empty());
}

#[test]
fn numbers_with_their_first_byte_last_are_turned() {
    let data: Vec<u8> = (0..48).collect();
    let entries = [
        (&b""[..], header(1, true)),
        (b"a", entry(1, &[4], 0, 0, 16)),
        (b"b", entry(8, &[2], 0, 16, 16)),
        (b"c", entry(18, &[1], 0, 32, 16)),
    ];
    let file = table(&[(block(&entries), 0)]);
    let model = open_checkpoint(&file, &[&data]).unwrap();
    for (number, width) in [(0, 4), (1, 4), (2, 8)] {
        let mut expected = data[16 * number..16 * (number + 1)].to_vec();
        expected.chunks_mut(width).for_each(<[u8]>::reverse);
        assert_eq!(content(&model, &[&file, &data], number), expected);
        let file = &data[..];
        let source = model.tensors[number].open(&file).unwrap();
        for from in 0..16 {
            for to in from..16 {
                let mut some = vec![0; to - from];
                source.read_at(from as u64, &mut some).unwrap();
                assert_eq!(some, expected[from..to]);
            }
        }
    }
}

/// The key of a slice of a matrix, with extents below 64.
fn slice_key(name: &str, axes: &[(u8, u8)]) -> Vec<u8> {
    let axes: Vec<u8> = axes.iter().flat_map(|(begin, length)| [0x80 | begin, 0x80 | length]).collect();
    [&[0], name.as_bytes(), &[0, 1, 1, 2], &axes].concat()
}

/// The entry of a partitioned matrix.
fn partitioned(extents: &[u64], slices: &[&[(u64, u64)]]) -> Vec<u8> {
    let slices: Vec<u8> = slices
        .iter()
        .flat_map(|slice| {
            let axes: Vec<u8> = slice
                .iter()
                .flat_map(|(begin, length)| bytes(1, [int(1, *begin), int(2, *length)].concat()))
                .collect();
            bytes(7, axes)
        })
        .collect();
    message(&[int(1, 1), bytes(2, shape(extents)), slices])
}

#[test]
fn slices_become_their_variable() {
    // A matrix of 2 × 4, its left three columns and its right one.
    let whole: Vec<u8> = noise(3, 32);
    let columns =
        |from: usize, to: usize| [&whole[4 * from..4 * to], &whole[16 + 4 * from..16 + 4 * to]].concat();
    let data = [columns(3, 4), columns(0, 3)].concat();
    let (left, right) = (slice_key("v", &[(0, 2), (0, 3)]), slice_key("v", &[(0, 2), (3, 1)]));
    let variable = partitioned(&[2, 4], &[&[(0, 2), (0, 3)], &[(0, 2), (3, 1)]]);
    let with = |left_entry: Vec<u8>, right_entry: Vec<u8>, shards: &[&[u8]], variable: &[u8]| {
        let entries = [(&left[..], left_entry), (&right[..], right_entry), (b"v", variable.to_vec())];
        let file = index(shards.len() as u64, &entries);
        open_checkpoint(&file, shards).map(|model| (file, model))
    };
    let (file, model) =
        with(entry(1, &[2, 3], 0, 8, 24), entry(1, &[2, 1], 0, 0, 8), &[&data], &variable).unwrap();
    assert_eq!((model.tensors.len(), &model.tensors[0].name[..]), (1, "v"));
    assert_eq!(content(&model, &[&file, &data], 0), whole);
    let shard = &data[..];
    let source = model.tensors[0].open(&shard).unwrap();
    for from in 0..32 {
        let mut some = vec![0; 32 - from];
        source.read_at(from as u64, &mut some).unwrap();
        assert_eq!(some, whole[from..]);
    }
    // In two shards, each slice is a tensor of its own.
    let shards: [&[u8]; 2] = [&data[8..], &data[..8]];
    let (_, model) =
        with(entry(1, &[2, 3], 0, 0, 24), entry(1, &[2, 1], 1, 0, 8), &shards, &variable).unwrap();
    let names: Vec<_> = model.tensors.iter().map(|tensor| &tensor.name[..]).collect();
    assert_eq!(names, ["v[0:2,0:3]", "v[0:2,3:4]"]);

    let refused = |left, right, variable: &[u8], words: &str| {
        assert_refused(with(left, right, &[&data], variable), Kind::Malformed, words);
    };
    let (a, b) = (entry(1, &[2, 3], 0, 8, 24), entry(1, &[2, 1], 0, 0, 8));
    refused(a.clone(), b.clone(), &partitioned(&[2, 5], &[&[], &[]]), "have 8 of 10 weights");
    refused(a.clone(), b.clone(), &partitioned(&[2, 3], &[&[], &[]]), "a slice of variable \"v\"");
    refused(a.clone(), b.clone(), &partitioned(&[2, 4], &[&[]]), "has 1 slices of type F32");
    refused(a.clone(), b.clone(), &partitioned(&[8], &[&[], &[]]), "a slice of variable");
    refused(a.clone(), entry(9, &[2, 1], 0, 0, 16), &variable, "the checkpoint has 1 that fit");
    refused(a, b.clone(), &entry(1, &[2], 0, 0, 8), "no such variable");
    refused(entry(1, &[2, 2], 0, 0, 16), b, &variable, "a slice of variable");
}

#[test]
fn metadata_have_an_end() {
    let weight = constant("c", &[int(1, 1)]);
    let tagged = message(&[bytes(1, bytes(4, "t").repeat(2000)), bytes(2, &weight)]);
    let result = open(&message(&[int(1, 1), bytes(2, tagged)]), Detail::Summary);
    assert_refused(result, Kind::TooLarge, "more than 1024 tags");
    let onnx = message(&[int(1, 8), bytes(7, []), bytes(8, int(2, 17)), bytes(14, []).repeat(200_000)]);
    assert_refused(open(&onnx, Detail::Summary), Kind::TooLarge, "more than 131072 metadata");
}

#[test]
fn a_saved_model_is_its_folder() {
    let folder = Folder::new("saved-model");
    let data = noise(4, 16);
    let variable = bytes(1, message(&[bytes(1, "v"), bytes(2, "VarHandleOp")]));
    let weight = constant("c", &[int(1, 1), bytes(2, shape(&[4])), bytes(4, noise(5, 16))]);
    let path = folder.write("saved_model.pb", &saved_model(&[variable.clone(), weight.clone()].concat()));
    let open_at = |path: &Path| {
        formats::open_path(path).and_then(|files| {
            let model = formats::parse(&files, None, Detail::Summary)?;
            let names: Vec<String> = (0..files.len()).map(|number| files.name(number).to_owned()).collect();
            Ok((model, names))
        })
    };
    assert_refused(open_at(&path), Kind::Source, "\"variables/variables.index\", which was not given");
    assert_refused(open(&std::fs::read(&path).unwrap(), Detail::Summary), Kind::Source, "not given");

    std::fs::create_dir_all(folder.path().join("assets/deep")).unwrap();
    std::fs::create_dir(folder.path().join("variables")).unwrap();
    folder.write("variables/variables.index", &index(1, &[(b"v", entry(1, &[4], 0, 0, 16))]));
    folder.write("variables/variables.data-00000-of-00001", &data);
    folder.write("assets/deep/words.txt", b"a\nb\n");
    folder.write("notes.txt", b"not TensorFlow's");
    let parts = [
        "saved_model.pb",
        "assets/deep/words.txt",
        "variables/variables.data-00000-of-00001",
        "variables/variables.index",
    ];
    let (model, names) = open_at(&path).unwrap();
    assert_eq!(names, parts);
    assert_eq!(model.tensors.len(), 1);
    assert_eq!((&model.tensors[0].name[..], model.tensors[0].file_no), ("v", 2));
    let (_, names) = open_at(folder.path()).unwrap();
    assert_eq!(names.len(), 5, "the folder itself brings all of its files: {names:?}");

    // A model of the store has its files by name.
    let stored: Vec<_> =
        parts.iter().map(|name| (*name, std::fs::read(folder.path().join(name)).unwrap())).collect();
    let stored: Vec<_> = stored.iter().map(|(name, bytes)| (*name, &bytes[..])).collect();
    assert_eq!(open_files(&stored).unwrap().tensors.len(), 1);

    // Without variables, the constants are the weights.
    folder.write("saved_model.pb", &saved_model(&weight));
    folder.write("variables/variables.index", &index(1, &[]));
    assert_eq!(open_at(&path).unwrap().0.tensors[0].name, "c");
    std::fs::remove_dir_all(folder.path().join("variables")).unwrap();
    let (model, _) = open_at(&path).unwrap();
    assert_eq!(model.tensors[0].name, "c");
    assert_eq!(model.format, Format::TensorFlow);

    std::os::unix::fs::symlink("/etc", folder.path().join("assets.extra")).unwrap();
    assert_refused(open_at(&path), Kind::Malformed, "is a link");
    std::fs::remove_file(folder.path().join("assets.extra")).unwrap();
    let deep = folder.path().join("assets/".to_owned() + &"d/".repeat(20));
    std::fs::create_dir_all(&deep).unwrap();
    assert_refused(open_at(&path), Kind::TooLarge, "more than 16 deep");
    std::fs::remove_dir_all(folder.path().join("assets")).unwrap();
    std::fs::create_dir(folder.path().join("assets")).unwrap();
    for number in 0..600 {
        folder.write(&format!("assets/{number}"), b"");
    }
    // More than a process may have open.
    assert_eq!(open_at(&path).unwrap().1.len(), 601);
}

#[test]
fn kinds_of_files_are_told_by_their_content() {
    let weight = constant("c", &[int(1, 1)]);
    let onnx = message(&[int(1, 8), bytes(2, "\n\u{3}abc"), bytes(7, bytes(2, "g")), bytes(8, int(2, 17))]);
    let table = index(1, &[]);
    for (file, expected) in [
        (weight.clone(), Some(Format::TensorFlow)),
        (saved_model(&weight), Some(Format::TensorFlow)),
        (table, Some(Format::TensorFlow)),
        (onnx, Some(Format::Onnx)),
        (int(1, 8), None),
        (bytes(1, "text"), None),
        (message(&[int(1, 8), bytes(2, "pytorch")]), None),
        (b"\x89PNG\r\n\x1a\n".to_vec(), None),
        (b"PK\x03\x04".to_vec(), None),
        (b"\x80\x02}q\x00.".to_vec(), Some(Format::PyTorch)),
        (vec![0; 100], None),
        (vec![0x0a; 100], None),
        (b"plain text, which is not a model".to_vec(), None),
    ] {
        let found = formats::detect(&&file[..]).ok();
        assert_eq!(found, expected, "{:02x?}", &file[..file.len().min(20)]);
    }
    let files = FileSet::single("m.onnx", Box::new(&weight[..]));
    let error = formats::parse(&files, Some(Format::Onnx), Detail::Summary);
    assert_refused(error, Kind::Malformed, "given as ONNX, but the content is TensorFlow");
}

proptest! {
    /// Blocks of any bytes, with the right checksum.
    #[test]
    fn any_block(bytes in prop::collection::vec(any::<u8>(), 0..100), compression in 0u8..3) {
        let first = (block(&[(b"", header(1, false))]), 0);
        let _ = open_checkpoint(&table(&[first, (bytes.clone(), compression)]), &[&[0; 100]]);
        let _ = open_checkpoint(&table(&[(bytes, compression)]), &[&[0; 100]]);
    }

    /// Entries of any bytes.
    #[test]
    fn any_entry(key in prop::collection::vec(any::<u8>(), 1..20), value in prop::collection::vec(any::<u8>(), 0..60)) {
        let data = [0; 100];
        if let Ok(model) = open_checkpoint(&index(1, &[(&key, value)]), &[&data]) {
            assert_sane(&model, 0);
        }
    }
}

#[test]
fn checksums_of_weights_are_those_that_tensorflow_wrote() {
    let graphs = testdata("models");
    for (prefix, weights) in [("small-keras", 4), ("small-partitioned", 1)] {
        let index = std::fs::read(graphs.join(format!("{prefix}.index"))).unwrap();
        let shard = format!("{prefix}.data-00000-of-00001");
        let data = std::fs::read(graphs.join(&shard)).unwrap();
        let verify = |data: &[u8]| {
            let files: Vec<(String, Box<dyn Source>)> =
                vec![(format!("{prefix}.index"), Box::new(&index[..])), (shard.clone(), Box::new(data))];
            let files = FileSet::from_files(files);
            let sums = formats::checksums(&files).unwrap();
            assert!(sums.len() >= weights, "{prefix} has {}", sums.len());
            let bytes: u64 = sums.iter().map(|sum| sum.length()).sum();
            let verified =
                sums.iter().try_for_each(|sum| sum.verify::<ParseError>(&files, |_| Ok(())).map(drop));
            (bytes, verified)
        };
        let (bytes, verified) = verify(&data);
        verified.unwrap();
        // Every byte of weights is under a checksum: change each, and it shows.
        let mut seen = 0;
        for position in 0..data.len() {
            let mut damaged = data.clone();
            damaged[position] ^= 0x10;
            if let (_, Err(error)) = verify(&damaged) {
                assert!(error.to_string().contains("have the checksum"), "{error}");
                seen += 1;
            }
        }
        assert_eq!(seen, bytes, "{prefix}");
    }
}
