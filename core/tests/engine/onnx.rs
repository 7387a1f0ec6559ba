//! ONNX files written by hand: what is refused and why, names in sub-graphs, external data.

use crate::common::processor_time::ProcessorTime;
use crate::common::protobuf::{borders, bytes, float, int, message, varint};
use crate::common::{Folder, Kind, accepted, assert_refused, malformed, noise, open, open_files};
use crate::testdata;
use atomizer_core::dtype::Dtype;
use atomizer_core::formats::{self, Detail, FileSet, ParseError};
use atomizer_core::model::{Format, Model};
use atomizer_core::source::{Source, SourceError};
use proptest::prelude::*;
use std::path::{Path, PathBuf};

fn small(name: &str) -> Vec<u8> {
    std::fs::read(testdata("models").join(name)).unwrap()
}

/// A model with a graph of these fields.
fn model(graph: &[Vec<u8>]) -> Vec<u8> {
    message(&[int(1, 8), bytes(2, "hand"), bytes(7, message(graph)), bytes(8, int(2, 17))])
}

/// A `TensorProto`.
fn tensor(name: &str, data_type: u64, dims: &[u64], data: Vec<u8>) -> Vec<u8> {
    let dims: Vec<u8> = dims.iter().flat_map(|extent| int(1, *extent)).collect();
    message(&[dims, int(2, data_type), bytes(8, name), data])
}

fn initializer(name: &str, data_type: u64, dims: &[u64], data: Vec<u8>) -> Vec<u8> {
    bytes(5, tensor(name, data_type, dims, data))
}

fn raw(length: usize) -> Vec<u8> {
    bytes(9, vec![7; length])
}

/// A node with an output, a type and attributes.
fn node(name: &str, output: &str, op_type: &str, attributes: &[Vec<u8>]) -> Vec<u8> {
    let attributes: Vec<u8> = attributes.iter().flat_map(|attribute| bytes(5, attribute)).collect();
    bytes(1, message(&[bytes(2, output), bytes(3, name), bytes(4, op_type), attributes]))
}

fn names(model: &Model) -> Vec<&str> {
    model.tensors.iter().map(|tensor| &tensor.name[..]).collect()
}

#[test]
fn a_file_cut_short_anywhere() {
    for name in ["small-all.onnx", "small-external.onnx"] {
        let whole = small(name);
        let borders = borders(&whole);
        let external = [0; 1000];
        for cut in 0..whole.len() {
            let part = ("small.onnx", &whole[..cut]);
            let external =
                ["small-external/part0.bin", "small-external/part1.bin"].map(|name| (name, &external[..]));
            match open_files(&[part, external[0], external[1]]) {
                // What is missing are whole fields of the model, and protobuf does not tell.
                Ok(_) => assert!(borders.contains(&cut), "{name} cut at {cut}"),
                Err(error) => assert!(crate::common::fits_a_log(&error.to_string())),
            }
        }
    }
    let file = model(&[initializer("w", 1, &[2], raw(8))]);
    for cut in 0..file.len() {
        let result = open(&file[..cut], Detail::Summary);
        assert!(result.is_err(), "cut at {cut}");
        let message = result.unwrap_err().to_string();
        // From the graph's own key on, it is known to be ONNX.
        assert_eq!(message.contains("no known model format"), cut <= 8, "{cut}: {message}");
    }
}

#[test]
fn lengths_and_counts_must_agree() {
    let with = |tensor: Vec<u8>, words: &str| malformed(&model(&[tensor]), words);
    with(initializer("w", 1, &[2, 3], raw(23)), "takes 24 bytes, but raw_data has 23");
    with(initializer("w", 1, &[2], vec![]), "takes 2 numbers, but float_data has 0");
    with(initializer("w", 1, &[2], bytes(4, [0; 12])), "takes 2 numbers, but float_data has 3");
    with(initializer("w", 1, &[2], bytes(4, [0; 7])), "not a whole number of 4");
    with(initializer("w", 1, &[2], int(4, 1)), "another type than its schema");
    with(initializer("w", 7, &[2], bytes(7, [1])), "takes 2 numbers, but int64_data has 1");
    with(initializer("w", 7, &[1], bytes(7, [1; 11])), "takes 1 numbers, but int64_data has 2 to 11");
    with(initializer("w", 7, &[1], bytes(5, [1])), "int64_data has 0");
    with(initializer("w", 1, &[u64::MAX], raw(0)), "the extent -1");
    with(initializer("w", 1, &[1 << 40, 1 << 40], raw(0)), "2^63 weights or more");
    with(initializer("w", 11, &[1 << 61], raw(0)), "2^64 bytes or more");
    with(initializer("w", 1, &[1 << 32, 1 << 29], raw(0)), "takes 9223372036854775808 bytes");
    with(initializer("w", 1, &[1; 65], raw(4)), "more than 64 dimensions");
    with(initializer("", 1, &[1], raw(4)), "name is empty");
    with(initializer("a\0", 1, &[1], raw(4)), "zero byte");
    with(initializer("w", 1, &[1], [raw(4), raw(4)].concat()), "raw_data is there twice");
    with(initializer("w", 21, &[3], raw(1)), "takes 2 bytes, but raw_data has 1");
    with(bytes(5, [0x4a, 0x7f, 1]), "takes 127 bytes, but what it stands in ends after 1 more");
    with(bytes(5, [0x4a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01]), "ends after 0 more");
    with(bytes(5, [0x0b]), "is a group");
    let twice = [initializer("w", 1, &[1], raw(4)), initializer("w", 1, &[1], raw(4))];
    malformed(&model(&twice), "listed twice");
    let unsupported = |tensor, words| {
        assert_refused(open(&model(&[tensor]), Detail::Summary), Kind::Unsupported, words);
    };
    unsupported(initializer("w", 0, &[1], raw(4)), "unknown data type 0");
    unsupported(initializer("w", 99, &[1], raw(4)), "unknown data type 99");
    unsupported(initializer("w", 1, &[1], [raw(4), bytes(3, [])].concat()), "one segment of a tensor");
    unsupported(initializer("w", 27, &[1], bytes(5, [1])), "only raw_data is read");
}

#[test]
fn what_a_model_must_have() {
    let graph = bytes(7, initializer("w", 1, &[1], raw(4)));
    let opset = bytes(8, int(2, 17));
    malformed(&message(&[int(1, 8), graph.clone()]), "imports no set of operators");
    malformed(&message(&[int(1, 8), graph.clone(), graph.clone(), opset.clone()]), "graph is there twice");
    malformed(&message(&[int(1, 8), int(1, 8), graph.clone(), opset.clone()]), "ir_version is there twice");
    malformed(&message(&[bytes(2, "x"), graph, opset]), "has no ir_version");
    // An empty file is a valid message; onnx itself takes it for a model.
    assert_refused(open(&[], Detail::Summary), Kind::Unsupported, "no known model format");
    let file = model(&[initializer("w", 1, &[1], raw(4))]);
    let files = FileSet::single("w.pb", Box::new(&file[..]));
    let error = formats::parse(&files, Some(Format::TensorFlow), Detail::Summary);
    assert_refused(error, Kind::Malformed, "given as TensorFlow, but the content is ONNX");
}

#[test]
fn fields_in_any_order_and_unpacked() {
    // The name and type behind the data, dims packed and numbers one by one, a run of each kind.
    let floats = [bytes(4, 1f32.to_le_bytes()), float(4, 2.0), bytes(4, []), float(4, 3.0)].concat();
    let tensor = bytes(5, message(&[floats, bytes(8, "w"), int(2, 1), bytes(1, [1, 3])]));
    let file = message(&[bytes(8, int(2, 17)), bytes(7, tensor), int(1, 8)]);
    // The graph stands first but one: such a file is told by its fields all the same, not by their order.
    let file = [int(1, 8), file[..file.len() - 2].to_vec()].concat();
    let model = accepted(&file);
    assert_eq!(model.tensors[0].shape, [1, 3]);
    let mut found = [0; 12];
    model.tensors[0].open(&&file[..]).unwrap().read_at(0, &mut found).unwrap();
    assert_eq!(found.as_chunks::<4>().0.map_to_floats(), [1.0, 2.0, 3.0]);
}

trait Floats {
    fn map_to_floats(&self) -> Vec<f32>;
}

impl Floats for [[u8; 4]] {
    fn map_to_floats(&self) -> Vec<f32> {
        self.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect()
    }
}

#[test]
fn numbers_that_do_not_add_up_are_found_when_they_are_read() {
    // Four bytes could be two numbers; these are four, or one with its end missing.
    for (data, words) in [
        (vec![1, 1, 1, 1], "more elements than the tensor, which has 2"),
        (vec![0x81, 0x81, 0x81, 1], "ends after 1"),
    ] {
        let file = model(&[initializer("w", 7, &[2], bytes(7, data))]);
        let model = accepted(&file);
        let source = &file[..];
        let error = model.tensors[0].open(&source).unwrap().read_at(0, &mut [0; 16]).unwrap_err();
        assert!(error.to_string().contains(words), "{error}");
    }
}

/// Graphs within each other, `depth` of them, by a node's attribute.
fn nested(depth: usize) -> Vec<u8> {
    let mut graph = initializer("w", 1, &[1], raw(4));
    for _ in 0..depth {
        graph = node("n", "o", "If", &[message(&[bytes(1, "a"), bytes(6, graph)])]);
    }
    model(&[graph])
}

#[test]
fn graphs_within_graphs_have_an_end() {
    let deep = accepted(&nested(33));
    assert_eq!(deep.tensors[0].name, "n/a/".repeat(33) + "w");
    for depth in [34, 500, 2000] {
        assert_refused(open(&nested(depth), Detail::Summary), Kind::TooLarge, "nested more than 33 deep");
    }
}

#[test]
fn names_in_sub_graphs_are_their_own() {
    let graph = |fields: &[Vec<u8>]| message(&[bytes(1, "body"), bytes(6, message(fields))]);
    let inner = || graph(&[initializer("w", 1, &[1], raw(4)), node("", "c", "Constant", &[value(1)])]);
    fn value(number: u8) -> Vec<u8> {
        message(&[bytes(1, "value"), bytes(5, tensor("", 2, &[1], bytes(9, [number])))])
    }
    let file = model(&[
        initializer("w", 1, &[1], raw(4)),
        node("same", "a", "Loop", &[inner()]),
        node("same", "b", "Loop", &[inner()]),
        node("", "out", "VerifyPass", &[inner()]),
        node(
            "many",
            "d",
            "x",
            &[message(&[
                bytes(1, "gs"),
                bytes(11, initializer("w", 1, &[1], raw(4))),
                bytes(11, initializer("w", 1, &[1], raw(4))),
            ])],
        ),
        // The same type in a domain of its own is another operation.
        bytes(1, message(&[bytes(2, "e"), bytes(4, "Constant"), bytes(7, "mine"), bytes(5, value(1))])),
    ]);
    let model = accepted(&file);
    let expected = [
        "w",
        "same/body/w",
        "same/body/c",
        "same/body#2/w",
        "same/body#2/c",
        "out/body/w",
        "out/body/c",
        "many/gs.0/w",
        "many/gs.1/w",
        "e/value",
    ];
    assert_eq!(names(&model), expected);
    malformed(&common_constant_without_output(), "has no output");
}

#[test]
fn a_place_leaves_the_names_of_the_main_graph_alone() {
    let attribute =
        |name: &str, held: &str| message(&[bytes(1, name), bytes(5, tensor(held, 1, &[1], raw(4)))]);
    let body = message(&[bytes(1, "b"), bytes(6, initializer("w", 1, &[1], raw(4)))]);
    let file = model(&[
        node("n", "y", "Q", &[attribute("v", ""), attribute("u", "w"), body]),
        node("n", "z", "Q", &[attribute("v", "")]),
        initializer("n/v", 2, &[4], raw(4)),
        initializer("n/u/w", 2, &[4], raw(4)),
        initializer("n/b/w", 2, &[4], raw(4)),
    ]);
    let model = accepted(&file);
    let expected = ["n/v#3", "n/u/w#2", "n/b/w#2", "n/v#2", "n/v", "n/u/w", "n/b/w"];
    assert_eq!(names(&model), expected);
    assert!(model.tensors[4..].iter().all(|tensor| tensor.dtype == Dtype::U8));
    let twice = [initializer("w", 1, &[1], raw(4)), initializer("w", 1, &[1], raw(4))].concat();
    malformed(
        &self::model(&[node("n", "y", "If", &[message(&[bytes(1, "b"), bytes(6, twice)])])]),
        "listed twice",
    );
}

/// A writer of protobuf's third syntax leaves out a zero; what a function's caller gives is no value of it.
#[test]
fn single_numbers_that_are_not_there() {
    let constant = |output: &str, attribute: &[Vec<u8>]| node("", output, "Constant", &[message(attribute)]);
    let parameter = |name: &str| [bytes(1, name), bytes(21, "given")];
    let file = model(&[
        constant("f", &[bytes(1, "value_float"), int(20, 1)]),
        constant("i", &[bytes(1, "value_int"), int(20, 2)]),
        constant("a", &parameter("value_float")),
        constant("b", &parameter("value_ints")),
        constant("c", &parameter("value")),
    ]);
    let model = accepted(&file);
    assert_eq!(names(&model), ["f", "i"]);
    assert_eq!([model.tensors[0].dtype, model.tensors[1].dtype], [Dtype::F32, Dtype::I64]);
    for tensor in &model.tensors {
        let mut found = vec![7; tensor.byte_length as usize];
        tensor.open(&&file[..]).unwrap().read_at(0, &mut found).unwrap();
        assert!(found.iter().all(|byte| *byte == 0));
    }
}

fn common_constant_without_output() -> Vec<u8> {
    let attribute = message(&[bytes(1, "value_int"), int(3, 5)]);
    model(&[bytes(1, message(&[bytes(4, "Constant"), bytes(5, attribute)]))])
}

#[test]
fn very_many_equal_places_and_very_long_names_cost_little() {
    let empty = node("", "", "If", &[message(&[bytes(6, initializer("w", 1, &[1], raw(4)))])]);
    let started = ProcessorTime::start();
    let model_of_many = open(&model(&[empty.repeat(50_000)]), Detail::Summary).unwrap();
    assert_eq!(model_of_many.tensors.len(), 50_000);
    assert!(started.elapsed().as_secs() < 5, "{:?}", started.elapsed());
    // One name of 1 MB before each of many tensors.
    let inner: Vec<u8> =
        (0..1000).flat_map(|number| initializer(&format!("{number}"), 1, &[1], raw(4))).collect();
    let long = node(&"n".repeat(1 << 20), "o", "If", &[bytes(6, inner)]);
    assert_refused(
        open(&model(&[long]), Detail::Summary),
        Kind::TooLarge,
        "4 times as long together as their file",
    );
}

#[test]
fn opening_reads_no_weights() {
    let large = vec![1; 4 << 20];
    let file = model(&[
        initializer("a", 2, &[4 << 20], bytes(9, &large)),
        node(
            "",
            "b",
            "Constant",
            &[message(&[bytes(1, "value"), bytes(5, tensor("", 2, &[4 << 20], bytes(9, &large)))])],
        ),
    ]);
    let read = std::cell::Cell::new(0);
    struct Counted<'a>(&'a [u8], &'a std::cell::Cell<usize>);
    impl Source for Counted<'_> {
        fn len(&self) -> u64 {
            self.0.len() as u64
        }
        fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<(), SourceError> {
            self.1.set(self.1.get() + buf.len());
            self.0.read_at(offset, buf)
        }
    }
    let files = FileSet::single("large", Box::new(Counted(&file, &read)));
    let model = formats::parse(&files, None, Detail::Full).unwrap();
    assert_eq!(names(&model), ["a", "b"]);
    assert!(read.get() < 100 << 10, "{} bytes", read.get());
}

/// A tensor of four F32 whose bytes are elsewhere.
fn external(name: &str, entries: &[(&str, &str)]) -> Vec<u8> {
    let entries: Vec<u8> = entries
        .iter()
        .flat_map(|(key, value)| bytes(13, message(&[bytes(1, key), bytes(2, value)])))
        .collect();
    initializer(name, 1, &[4], message(&[entries, int(14, 1)]))
}

fn open_at(path: &Path) -> Result<Model, ParseError> {
    formats::parse(&formats::open_path(path)?, None, Detail::Summary)
}

#[test]
fn external_data_lie_beneath_the_model() {
    let folder = Folder::new("onnx-external");
    std::fs::create_dir(folder.path().join("sub")).unwrap();
    folder.write("sub/w.bin", &noise(1, 40));
    folder.write("w16.bin", &noise(2, 16));
    let write =
        |entries: &[(&str, &str)]| -> PathBuf { folder.write("m.onnx", &model(&[external("w", entries)])) };
    for (entries, name, offset) in [
        (&[("location", "sub/w.bin"), ("offset", "24"), ("length", "16")][..], "sub/w.bin", 24),
        (&[("location", "./sub/./w.bin"), ("offset", "8")], "sub/w.bin", 8),
        (
            &[("location", "sub/w.bin"), ("checksum", "0123"), ("__class__", "x"), ("basepath", "/etc")],
            "sub/w.bin",
            0,
        ),
        (&[("location", "w16.bin")], "w16.bin", 0),
    ] {
        let files = formats::open_path(&write(entries)).unwrap();
        let model = formats::parse(&files, None, Detail::Summary).unwrap();
        let tensor = &model.tensors[0];
        assert_eq!((files.name(tensor.file_no), tensor.offset, tensor.byte_length), (name, offset, 16));
        assert_eq!(model.parameter_count(), 4);
    }
    let refused = |entries: &[(&str, &str)], kind: Kind, words: &str| {
        assert_refused(open_at(&write(entries)), kind, words);
    };
    let absolute = folder.path().join("w16.bin");
    for location in [
        "../w16.bin",
        "sub/../w16.bin",
        "sub/../../x",
        "..",
        ".",
        "",
        "/etc/hostname",
        "/dev/zero",
        "sub//w.bin",
        "sub/",
        "..\\x",
        "w16.bin\0",
        "sub\\w.bin",
        absolute.to_str().unwrap(),
    ] {
        refused(
            &[("location", location)],
            Kind::Malformed,
            if location.is_empty() { "is empty" } else { "not a path beneath" },
        );
    }
    refused(&[], Kind::Malformed, "its location is empty");
    refused(&[("location", "m.onnx")], Kind::Malformed, "the model itself");
    refused(&[("location", "./m.onnx")], Kind::Malformed, "the model itself");
    refused(&[("location", "gone.bin")], Kind::Source, "gone.bin");
    refused(&[("location", "sub")], Kind::Source, "not a regular file");
    refused(&[("location", "w16.bin/x")], Kind::Source, "cannot open");
    refused(
        &[("location", "w16.bin"), ("offset", "1")],
        Kind::Malformed,
        "at byte 1 of \"w16.bin\", but that file has 16",
    );
    refused(
        &[("location", "w16.bin"), ("offset", "18446744073709551615")],
        Kind::Malformed,
        "that file has 16",
    );
    refused(&[("location", "w16.bin"), ("offset", "-1")], Kind::Malformed, "not a number");
    refused(&[("location", "w16.bin"), ("length", "15")], Kind::Malformed, "but its external data has 15");
    let many: Vec<u8> = (0..65_536)
        .flat_map(|number| external(&format!("{number}"), &[("location", &format!("f{number}"))]))
        .collect();
    assert_refused(
        open_at(&folder.write("many.onnx", &model(&[many]))),
        Kind::TooLarge,
        "65537 files (at most 65536)",
    );
}

#[test]
fn more_files_of_external_data_than_a_process_may_open() {
    let folder = Folder::new("onnx-many");
    let count = 3000u32;
    let tensors: Vec<u8> = (0..count)
        .flat_map(|number| {
            folder.write(&format!("f{number}"), &[number.to_le_bytes(); 4].concat());
            external(&format!("{number}"), &[("location", &format!("f{number}"))])
        })
        .collect();
    let path = folder.write("m.onnx", &model(&[tensors]));
    let files = formats::open_path(&path).unwrap();
    let model = formats::parse(&files, None, Detail::Summary).unwrap();
    assert_eq!((files.len(), model.tensors.len()), (1 + count as usize, count as usize));
    // In an order in which each is opened again.
    for step in [1, 7] {
        for tensor in model.tensors.iter().step_by(step) {
            let mut first = [0; 4];
            files.open_tensor(tensor).unwrap().read_at(0, &mut first).unwrap();
            assert_eq!(u32::from_le_bytes(first).to_string(), tensor.name);
        }
    }
    // A file that took the place of one is not read for it.
    let last = model.tensors.iter().find(|tensor| tensor.name == "2").unwrap();
    folder.write("new", &[0; 16]);
    std::fs::rename(folder.path().join("new"), folder.path().join("f2")).unwrap();
    let error = files.open_tensor(last).unwrap().read_at(0, &mut [0; 4]).unwrap_err();
    assert!(error.to_string().contains("was replaced"), "{error}");
}

#[test]
fn links_lead_to_the_real_models_folder_or_to_the_blobs_of_its_cache() {
    let folder = Folder::new("onnx-links");
    for name in ["real", "elsewhere", "cache/blobs", "cache/snapshots/main/onnx"] {
        std::fs::create_dir_all(folder.path().join(name)).unwrap();
    }
    let link = |to: &str, name: &str| std::os::unix::fs::symlink(to, folder.path().join(name)).unwrap();
    let model_with = |location| model(&[external("w", &[("location", location)])]);
    folder.write("elsewhere/w.bin", &[0; 16]);
    folder.write("real/w.bin", &[1; 16]);
    link("w.bin", "real/inside.bin");
    link("../elsewhere/w.bin", "real/outside.bin");
    link("/etc/hostname", "real/host.bin");
    link("../elsewhere", "real/folder");
    link("loop", "real/loop");
    link("gone", "real/dangling");
    let path = folder.write("real/m.onnx", &model_with("inside.bin"));
    assert_eq!(open_at(&path).unwrap().tensors.len(), 1);
    for location in ["outside.bin", "host.bin", "folder/w.bin"] {
        folder.write("real/m.onnx", &model_with(location));
        let result = open_at(&path);
        let hint = result.as_ref().err().and_then(|error| error.hint()).unwrap_or_default().to_owned();
        assert_refused(result, Kind::Malformed, "is a link out of the model's folder");
        assert!(hint.contains("cp -rL"), "{hint}");
    }
    for location in ["loop", "dangling"] {
        folder.write("real/m.onnx", &model_with(location));
        assert_refused(open_at(&path), Kind::Source, "cannot open");
    }

    // A hub's cache: both are links to blobs. Also where the model was replaced by a copy.
    folder.write("cache/blobs/aaaa", &model_with("m.onnx_data"));
    folder.write("cache/blobs/bbbb", &[2; 16]);
    link("../../../blobs/aaaa", "cache/snapshots/main/onnx/m.onnx");
    link("../../../blobs/bbbb", "cache/snapshots/main/onnx/m.onnx_data");
    folder.write("cache/snapshots/main/onnx/copy.onnx", &model_with("m.onnx_data"));
    for name in ["m.onnx", "copy.onnx"] {
        let files = formats::open_path(&folder.path().join("cache/snapshots/main/onnx").join(name)).unwrap();
        let found = formats::parse(&files, None, Detail::Summary).unwrap();
        let mut bytes = [0; 16];
        files.open_tensor(&found.tensors[0]).unwrap().read_at(0, &mut bytes).unwrap();
        assert_eq!((bytes, files.len()), ([2; 16], 2));
    }
    // The whole snapshot, as a folder.
    std::fs::remove_file(folder.path().join("cache/snapshots/main/onnx/copy.onnx")).unwrap();
    let files = formats::open_path(&folder.path().join("cache/snapshots/main/onnx")).unwrap();
    assert_eq!(formats::parse(&files, None, Detail::Summary).unwrap().tensors.len(), 1);
    // Blobs of another cache are no blobs of this one.
    std::fs::create_dir_all(folder.path().join("other/blobs")).unwrap();
    folder.write("other/blobs/bbbb", &[3; 16]);
    let data = folder.path().join("cache/snapshots/main/onnx/m.onnx_data");
    std::fs::remove_file(&data).unwrap();
    link("../../../../other/blobs/bbbb", "cache/snapshots/main/onnx/m.onnx_data");
    let path = folder.path().join("cache/snapshots/main/onnx/m.onnx");
    assert_refused(open_at(&path), Kind::Malformed, "is a link out of the model's folder");
}

#[test]
fn external_data_that_were_not_given() {
    let file = model(&[external("w", &[("location", "w.bin")])]);
    assert_refused(open(&file, Detail::Summary), Kind::Source, "\"w.bin\", which was not given");
    // A model of the store has its files by name.
    let data = noise(3, 16);
    let files = [("m.onnx", &file[..]), ("other.bin", &data[..]), ("w.bin", &data[..])];
    assert_eq!(open_files(&files).unwrap().tensors[0].file_no, 2);
}

#[test]
fn tied_weights_are_one_plain_tensor_and_a_copy() {
    let entries = [("location", "w.bin")];
    let file = model(&[
        external("a", &entries),
        external("b", &entries),
        external("c", &[("location", "w.bin"), ("offset", "4")]),
    ]);
    let data = noise(4, 20);
    let files = FileSet::from_files(vec![
        ("m.onnx".into(), Box::new(&file[..])),
        ("w.bin".into(), Box::new(&data[..])),
    ]);
    let model_of_three = formats::parse(&files, None, Detail::Summary).unwrap();
    let derived: Vec<_> = model_of_three.tensors.iter().map(|tensor| tensor.lazy.is_some()).collect();
    assert_eq!(derived, [false, true, true]);
    for (tensor, from) in model_of_three.tensors.iter().zip([0, 0, 4]) {
        let mut found = vec![0; 16];
        files.open_tensor(tensor).unwrap().read_at(0, &mut found).unwrap();
        assert_eq!(found, data[from..from + 16]);
    }
    // Many times the same large range would keep a server busy for ever.
    let many: Vec<u8> = (0..1000)
        .flat_map(|number| {
            let entries = [bytes(13, message(&[bytes(1, "location"), bytes(2, "w.bin")])), int(14, 1)];
            initializer(&format!("{number}"), 2, &[1 << 20], message(&entries))
        })
        .collect();
    let large = vec![0; 1 << 20];
    let many = open_files(&[("m.onnx", &model(&[many])), ("w.bin", &large)]);
    assert_refused(many, Kind::TooLarge, "more than 16 times");
}

#[test]
fn small_types_are_packed() {
    let file = model(&[
        initializer("i4", 22, &[3], bytes(5, [0x21, 3])),
        initializer("u2", 25, &[5], raw(2)),
        initializer("f6", 27, &[5], raw(4)),
    ]);
    let model = accepted(&file);
    let found: Vec<_> = model.tensors.iter().map(|tensor| (tensor.dtype, tensor.byte_length)).collect();
    assert_eq!(found, [(Dtype::I4, 2), (Dtype::U2, 2), (Dtype::F6_E2M3, 4)]);
}

proptest! {
    /// Numbers of any width in `int64_data` come back, and so do those in `int32_data`.
    #[test]
    fn any_numbers(values: Vec<i64>) {
        let packed: Vec<u8> = values.iter().flat_map(|value| varint(*value as u64)).collect();
        let count = values.len() as u64;
        let file = model(&[
            initializer("wide", 7, &[count], bytes(7, &packed)),
            initializer("narrow", 5, &[count], bytes(5, &packed)),
        ]);
        let model = accepted(&file);
        let source = &file[..];
        for tensor in &model.tensors {
            let mut found = vec![0; tensor.byte_length as usize];
            tensor.open(&source).unwrap().read_at(0, &mut found).unwrap();
            let expected: Vec<u8> = match &tensor.name[..] {
                "wide" => values.iter().flat_map(|value| value.to_le_bytes()).collect(),
                _ => values.iter().flat_map(|value| (*value as i16).to_le_bytes()).collect(),
            };
            prop_assert_eq!(found, expected);
        }
    }
}
