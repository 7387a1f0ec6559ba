//! PyTorch files: names, views and shared storages, wrappers, both containers, shards, and hostile ones.
//! Files of the official writer are compared in `manifests.rs`.

use crate::common::processor_time::ProcessorTime;
use crate::common::torch::{Pickle, dict, legacy, legacy_head, torch_zip};
use crate::common::zip::{archive, deflated, stored};
use crate::common::{
    Folder, Kind, accepted, assert_refused, bytes_of, open, open_files, peak, survives_damage,
};
use atomizer_core::dtype::Dtype;
use atomizer_core::formats::{self, Detail, FileSet};
use atomizer_core::metadata::{Value, to_json};
use atomizer_core::model::{Affine, Format, Model};

fn floats(numbers: impl IntoIterator<Item = u16>) -> Vec<u8> {
    numbers.into_iter().flat_map(|n| f32::from(n).to_le_bytes()).collect()
}

fn names(model: &Model) -> Vec<&str> {
    model.tensors.iter().map(|tensor| tensor.name.as_str()).collect()
}

/// The names of a pickle whose tensors are all of storage "0" of two floats.
#[track_caller]
fn names_of(pickle: &[u8]) -> Vec<String> {
    let model = open(&torch_zip(pickle, &[("0", &floats([1, 2]))]), Detail::Full).unwrap();
    let mut names: Vec<String> = model.tensors.into_iter().map(|tensor| tensor.name).collect();
    names.sort();
    names
}

fn one(pickle: Pickle) -> Pickle {
    pickle.floats("0", 2)
}

#[test]
fn a_tensor_is_read_straight_from_the_file() {
    let storage = floats(0..6);
    let pickle = dict(|pickle| pickle.text("w").tensor("FloatStorage", "0", 6, 0, &[2, 3], &[3, 1]));
    for file in [torch_zip(&pickle, &[("0", &storage)]), legacy(&pickle, &[("0", 6, &storage)])] {
        let model = accepted(&file);
        assert_eq!((model.format, names(&model)), (Format::PyTorch, vec!["w"]));
        let tensor = &model.tensors[0];
        assert_eq!((&tensor.shape[..], tensor.dtype, tensor.weight_count), (&[2, 3][..], Dtype::F32, 6));
        assert!(tensor.lazy.is_none() && tensor.affine.is_none());
        assert_eq!(file[tensor.offset as usize..][..24], storage);
        assert_eq!(bytes_of(&model, "w", &file), storage);
    }
}

/// Name, first element, shape, strides, and the elements that these stand for.
type TestView = (&'static str, i64, &'static [i64], &'static [i64], &'static [u16]);

#[test]
fn views_are_gathered() {
    let storage = floats(0..12);
    let views: &[TestView] = &[
        ("whole", 0, &[3, 4], &[4, 1], &[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]),
        ("transposed", 0, &[4, 3], &[1, 4], &[0, 4, 8, 1, 5, 9, 2, 6, 10, 3, 7, 11]),
        ("column", 1, &[3], &[4], &[1, 5, 9]),
        ("rows", 4, &[2, 4], &[4, 1], &[4, 5, 6, 7, 8, 9, 10, 11]),
        ("expanded", 5, &[2, 2], &[0, 0], &[5, 5, 5, 5]),
        ("scalar", 7, &[], &[], &[7]),
        ("one place", 0, &[1, 3, 1], &[99, 1, 99], &[0, 1, 2]),
        ("empty", 0, &[0, 5], &[5, 1], &[]),
    ];
    let pickle = dict(|pickle| {
        views.iter().fold(pickle, |pickle, (name, first, shape, strides, _)| {
            pickle.text(name).tensor("FloatStorage", "0", 12, *first, shape, strides)
        })
    });
    let stored_file = torch_zip(&pickle, &[("0", &storage)]);
    let big: Vec<u8> = storage.chunks(4).flat_map(|element| element.iter().rev()).copied().collect();
    let big_file =
        archive(&[stored("m/data.pkl", &pickle), stored("m/byteorder", b"big"), stored("m/data/0", &big)]);
    let deflated_file = archive(&[deflated("m/data.pkl", &pickle), deflated("m/data/0", &storage)]);
    let legacy_file = legacy(&pickle, &[("0", 12, &storage)]);
    for file in [&stored_file, &big_file, &deflated_file, &legacy_file] {
        let model = accepted(file);
        assert_eq!(model.tensors.len(), views.len());
        for (name, _, shape, _, expected) in views {
            let tensor = model.tensors.iter().find(|tensor| tensor.name == *name).unwrap();
            assert_eq!(tensor.shape, shape.iter().map(|extent| *extent as u64).collect::<Vec<_>>());
            assert_eq!(bytes_of(&model, name, file), floats(expected.iter().copied()), "{name}");
        }
    }
    // The longest that starts first stays in the file; what shares its bytes does not.
    let plain: Vec<String> = accepted(&stored_file)
        .tensors
        .into_iter()
        .filter(|tensor| tensor.lazy.is_none() && tensor.byte_length > 0)
        .map(|tensor| tensor.name)
        .collect();
    assert_eq!(plain, ["whole"]);
    assert!(accepted(&big_file).tensors.iter().all(|t| t.lazy.is_some() || t.byte_length == 0));
}

#[test]
fn tied_weights_stand_in_the_file_once() {
    let pickle = dict(|pickle| one(one(pickle.text("embed")).text("head")));
    let file = torch_zip(&pickle, &[("0", &floats([3, 4]))]);
    let model = accepted(&file);
    assert_eq!(names(&model), ["embed", "head"]);
    assert!(model.tensors[0].lazy.is_none() && model.tensors[1].lazy.is_some());
    assert_eq!(bytes_of(&model, "embed", &file), bytes_of(&model, "head", &file));
}

#[test]
fn names_are_the_paths_to_the_tensors() {
    // A flat state dict, whatever its keys are.
    let flat = dict(|pickle| one(one(one(pickle.text("a.b")).text("")).text("ä\0/\n")));
    assert_eq!(names_of(&flat), ["a.b", "tensor", "ä\u{2400}/\n"]);
    // Lists, tuples, numbers as keys; values that are not tensors.
    let nested = dict(|pickle| {
        let list = one(pickle.text("list").op(b"](N")).op(b"(K\x07");
        let pickle = one(list).op(b"te").text("state").op(b"}(K\x05");
        one(one(pickle).op(b"N")).op(b"u")
    });
    assert_eq!(names_of(&nested), ["list.1", "list.2.1", "state.5", "state.None"]);
    // The top may be the tensor itself, or a list.
    assert_eq!(names_of(&one(Pickle::new()).end()), ["tensor"]);
    // A key may be a class, and its name anything (found by the fuzzer).
    let by_class = one(Pickle::new().op(b"}").global("m", "a\0b")).op(b"s").end();
    assert_eq!(names_of(&by_class), ["a\u{2400}b"]);
    assert_eq!(names_of(&one(one(Pickle::new().op(b"]("))).op(b"e").end()), ["0", "1"]);
    // The last of equal keys holds.
    let twice = dict(|pickle| one(one(pickle.text("x")).text("y").op(b"N").text("x")).text("y"));
    let twice = [&twice[..twice.len() - 2], b"Nu."].concat();
    assert_eq!(names_of(&twice), ["x"]);
    // Two paths of one name.
    let same = dict(|pickle| {
        let pickle = one(one(pickle.text("a.b")).text("a").op(b"}").text("b")).op(b"s");
        one(pickle.text("a.b#2"))
    });
    assert_eq!(names_of(&same), ["a.b", "a.b#2", "a.b#2#2"]);
}

#[test]
fn objects_of_unknown_classes_hide_nothing() {
    let attributes = |pickle: Pickle| one(pickle.op(b")\x81}").text("weight")).op(b"sb");
    let scripted = dict(|pickle| attributes(pickle.text("conv").global("__torch__.some", "Conv")));
    assert_eq!(names_of(&scripted), ["conv.weight"]);
    // Called with tensors, appended to, keys set, attributes and slots set.
    let called = dict(|pickle| one(pickle.text("x").global("m", "f").op(b"N")).op(b"\x86R"));
    assert_eq!(names_of(&called), ["x.1"]);
    let filled = dict(|pickle| {
        let pickle = one(pickle.text("x").global("m", "C").op(b")R")).op(b"a").text("k");
        one(pickle).op(b"s")
    });
    assert_eq!(names_of(&filled), ["x.0", "x.k"]);
    let slots = dict(|pickle| {
        let pickle = one(pickle.text("x").global("m", "C").op(b")\x81}").text("a")).op(b"s}").text("b");
        one(pickle).op(b"s\x86b")
    });
    assert_eq!(names_of(&slots), ["x.a", "x.b"]);
    // An ordered dict of Python 2.
    let old = one(Pickle::new().global("collections", "OrderedDict").op(b"](](").text("w")).op(b"ee\x85R");
    assert_eq!(names_of(&old.end()), ["w"]);
    // A whole module: names as in its state dict.
    let pickle = Pickle::new().global("somebody.net", "Net").op(b")\x81}(").text("_parameters").op(b"}");
    let pickle = one(pickle.text("bias")).op(b"s").text("_buffers").op(b"}").text("_modules").op(b"}");
    let pickle = attributes(pickle.text("fc").global("m", "Linear")).op(b"sub");
    assert_eq!(names_of(&pickle.end()), ["bias", "fc.weight"]);
    // Its other attributes are listed where they hold something else: not its weights again, nor its own module.
    let pickle = Pickle::new().global("torch.nn", "LSTM").op(b")\x81q\x01}(").text("_flat_weights").op(b"](");
    let pickle = one(one(pickle).op(b"q\x02")).op(b"e").text("owner").op(b"]h\x01a").text("_parameters");
    let pickle = pickle.op(b"}").text("bias").op(b"h\x02s").text("_buffers").op(b"}");
    let pickle = attributes(pickle.text("_modules").op(b"}").text("fc").global("m", "Linear")).op(b"sub");
    let mut expected = ["bias", "fc.weight", "_flat_weights.1"];
    expected.sort_unstable();
    assert_eq!(names_of(&pickle.end()), expected);
}

#[test]
fn what_is_in_very_many_places_is_told() {
    let pickle = Pickle::new().op(b"](]q\x01");
    let shared = one(pickle).op(b"a").op(b"h\x01".repeat(99)).op(b"e").end();
    let model = open(&torch_zip(&shared, &[("0", &floats([1, 2]))]), Detail::Full).unwrap();
    let (count, reasons) = model.unlisted();
    assert_eq!((model.tensors.len(), count), (64, 1));
    assert!(reasons[0].contains("64: in more than 64 places"), "{reasons:?}");
}

#[test]
fn parameters_and_subclasses_are_looked_through() {
    let parameter = dict(|pickle| {
        one(pickle.text("w").global("torch._utils", "_rebuild_parameter").op(b"(")).op(b"\x88)tR")
    });
    assert_eq!(names_of(&parameter), ["w"]);
    let with_state = dict(|pickle| {
        let pickle = one(pickle.text("w").global("torch._utils", "_rebuild_parameter_with_state").op(b"("));
        one(pickle.op(b"\x88)}").text("extra")).op(b"stR")
    });
    assert_eq!(names_of(&with_state), ["w", "w.extra"]);
    let subclass = dict(|pickle| {
        let pickle = pickle.text("w").global("torch._tensor", "_rebuild_from_type_v2").op(b"(");
        let pickle = pickle.global("torch._utils", "_rebuild_tensor_v2").global("m", "MyTensor").op(b"(");
        let pickle = pickle.storage("FloatStorage", "0", 2).int(0).ints(&[2]).ints(&[1]).op(b"\x89)t}");
        one(pickle.text("scale")).op(b"stR")
    });
    assert_eq!(names_of(&subclass), ["w", "w.scale"]);
    let wrapper = dict(|pickle| {
        let pickle = pickle.text("w").global("torch._tensor", "_rebuild_from_type_v2").op(b"(");
        let pickle = pickle.global("torch._utils", "_rebuild_wrapper_subclass").global("m", "Int8").op(b"(");
        one(pickle.global("m", "Int8").op(b"t}").text("data")).op(b"stR")
    });
    assert_eq!(names_of(&wrapper), ["w.data"]);
    let listed = dict(|pickle| {
        one(pickle.text("w").global("torch.jit._pickle", "build_tensorlist").op(b"](")).op(b"e\x85R")
    });
    assert_eq!(names_of(&listed), ["w.0"]);
}

#[test]
fn types_of_every_storage() {
    let table: &[(&str, Dtype, i64)] = &[
        ("DoubleStorage", Dtype::F64, 8),
        ("FloatStorage", Dtype::F32, 4),
        ("torch.cuda.HalfStorage", Dtype::F16, 2),
        ("BFloat16Storage", Dtype::BF16, 2),
        ("LongStorage", Dtype::I64, 8),
        ("IntStorage", Dtype::I32, 4),
        ("ShortStorage", Dtype::I16, 2),
        ("CharStorage", Dtype::I8, 1),
        ("ByteStorage", Dtype::U8, 1),
        ("BoolStorage", Dtype::BOOL, 1),
        ("ComplexFloatStorage", Dtype::C64, 8),
        ("ComplexDoubleStorage", Dtype::C128, 16),
        ("QInt32Storage", Dtype::I32, 4),
    ];
    for (class, dtype, width) in table {
        let pickle = dict(|pickle| pickle.text("w").tensor(class, "0", 3, 1, &[2], &[1]));
        let storage: Vec<u8> = (0..3 * *width as u8).collect();
        let file = torch_zip(&pickle, &[("0", &storage)]);
        let model = accepted(&file);
        assert_eq!(model.tensors[0].dtype, *dtype);
        assert_eq!(bytes_of(&model, "w", &file), storage[*width as usize..]);
    }
    // Types without a storage of their own stand beside an untyped one.
    let typed = |name: &str| {
        dict(|pickle| {
            let pickle = pickle.text("w").global("torch._utils", "_rebuild_tensor_v3").op(b"(");
            let pickle = pickle.storage("torch.storage.UntypedStorage", "0", 8).int(1).ints(&[3]).ints(&[2]);
            pickle.op(b"\x89)").global("torch", name).op(b"tR")
        })
    };
    let storage: Vec<u8> = (0..16).collect();
    for (name, dtype, expected) in [
        ("float8_e4m3fn", Dtype::F8_E4M3, &[1, 3, 5][..]),
        ("float8_e5m2", Dtype::F8_E5M2, &[1, 3, 5]),
        ("uint16", Dtype::U16, &[2, 3, 6, 7, 10, 11]),
    ] {
        let file = torch_zip(&typed(name), &[("0", &storage)]);
        let model = accepted(&file);
        assert_eq!((model.tensors[0].dtype, &bytes_of(&model, "w", &file)[..]), (dtype, expected));
    }
    // What is not known is named, and does not hide what is.
    let unknown = dict(|pickle| {
        let pickle =
            one(pickle.text("good")).text("meta").global("torch._utils", "_rebuild_meta_tensor_no_storage");
        let pickle = pickle.op(b"(").global("torch", "float32").ints(&[2]).ints(&[1]).op(b"\x89tR");
        pickle.text("four").tensor("QUInt4x2Storage", "0", 2, 0, &[2], &[1])
    });
    let model = accepted(&torch_zip(&unknown, &[("0", &floats([1, 2]))]));
    assert_eq!(names(&model), ["good"]);
    let json = to_json(&model.metadata);
    assert!(
        json.contains("meta: a meta tensor") && json.contains("four: of the type QUInt4x2Storage"),
        "{json}"
    );
}

#[test]
fn quantized_tensors_keep_their_scale() {
    let quantized = |quantizer: fn(Pickle) -> Pickle| {
        dict(|pickle| {
            let pickle = pickle.text("w").global("torch._utils", "_rebuild_qtensor").op(b"(");
            let pickle = pickle.storage("QUInt8Storage", "0", 8).int(0).ints(&[2, 4]).ints(&[4, 1]);
            quantizer(pickle).op(b"\x89)tR")
        })
    };
    let per_tensor = quantized(|pickle| {
        pickle
            .op(b"(")
            .global("torch", "per_tensor_affine")
            .op(b"G")
            .op(0.25f64.to_be_bytes())
            .int(3)
            .op(b"t")
    });
    let model = accepted(&torch_zip(&per_tensor, &[("0", &[5; 8])]));
    assert_eq!(model.tensors[0].dtype, Dtype::U8);
    assert_eq!(model.tensors[0].affine, Some(Affine { scale: 0.25, zero_point: 3 }));
    let per_channel =
        quantized(|pickle| one(one(pickle.op(b"(").global("torch", "per_channel_affine"))).op(b"K\0t"));
    let file = torch_zip(&per_channel, &[("0", &[5; 8])]);
    let model = accepted(&file);
    let mut found = names(&model);
    found.sort_unstable();
    assert_eq!(found, ["w", "w.scales", "w.zero_points"]);
    assert!(model.tensors.iter().all(|tensor| tensor.affine.is_none()));
}

#[test]
fn impossible_tensors_are_refused() {
    let big = i64::MAX;
    for (shape, strides, first, words) in [
        (&[13][..], &[1][..], 0, "reaches outside of storage"),
        (&[3, 4], &[4, 2], 0, "reaches outside"),
        (&[1], &[1], 12, "reaches outside"),
        (&[2], &[big], 0, "reaches outside"),
        (&[1], &[1], big, "reaches outside"),
        (&[big, big], &[0, 0], 0, "2^63 weights"),
        (&[big], &[0], 0, "2^64 bytes"),
        (&[2], &[-1], 0, "negative -1"),
        (&[-2], &[1], 0, "negative -2"),
        (&[2], &[1], -1, "-1 is not an offset"),
        (&[2, 2], &[1], 0, "2 axes and 1 strides"),
        (&[1; 65], &[1; 65], 0, "65 axes"),
    ] {
        let pickle = dict(|pickle| pickle.text("w").tensor("FloatStorage", "0", 12, first, shape, strides));
        let file = torch_zip(&pickle, &[("0", &floats(0..12))]);
        assert_refused(open(&file, Detail::Full), Kind::Malformed, words);
    }
    // Larger than could be, but not impossible.
    let pickle = dict(|pickle| pickle.text("w").tensor("FloatStorage", "0", 1, 0, &[1 << 31], &[0]));
    assert_refused(
        open(&torch_zip(&pickle, &[("0", &[0; 4])]), Detail::Full),
        Kind::TooLarge,
        "their storages have",
    );
    let many = dict(|pickle| {
        (0..100).fold(pickle, |pickle, i| {
            pickle.text(&i.to_string()).tensor("ByteStorage", "0", 2 << 20, 0, &[2 << 20], &[1])
        })
    });
    let file = torch_zip(&many, &[("0", &vec![0; 2 << 20])]);
    assert_refused(open(&file, Detail::Full), Kind::TooLarge, "their storages have");
}

#[test]
fn a_small_view_of_a_large_compressed_storage_is_refused() {
    // Random access needs the whole storage in memory: not more than file and tensor are long.
    let pickle = |shape: &[i64], strides: &[i64]| {
        dict(|pickle| pickle.text("w").tensor("ByteStorage", "0", 1 << 20, 0, shape, strides))
    };
    let file =
        |pickle: &[u8]| archive(&[stored("m/data.pkl", pickle), deflated("m/data/0", &vec![1; 1 << 20])]);
    let column = file(&pickle(&[2], &[9]));
    assert_refused(open(&column, Detail::Full), Kind::Unsupported, "storage of 1048576 bytes is compressed");
    assert_eq!(bytes_of(&accepted(&file(&pickle(&[2], &[1]))), "w", &file(&pickle(&[2], &[1]))), [1, 1]);
    assert_eq!(accepted(&file(&pickle(&[1024, 1024], &[1, 1024]))).tensors[0].byte_length, 1 << 20);
}

#[test]
fn odd_calls_are_refused() {
    let call = |arguments: fn(Pickle) -> Pickle| {
        let pickle = dict(|pickle| {
            arguments(pickle.text("w").global("torch._utils", "_rebuild_tensor_v2").op(b"(")).op(b"tR")
        });
        open(&torch_zip(&pickle, &[("0", &floats([1, 2]))]), Detail::Full)
    };
    let view = |pickle: Pickle| pickle.int(0).ints(&[2]).ints(&[1]);
    assert_refused(call(|pickle| pickle), Kind::Malformed, "has 0 arguments");
    assert_refused(call(|pickle| pickle.op(b"NNNN")), Kind::Malformed, "has no storage");
    let storage = |parts: &[u8], words: &str| {
        let pickle = dict(|pickle| {
            let pickle =
                pickle.text("w").global("torch._utils", "_rebuild_tensor_v2").op(b"(").op(parts).op(b"Q");
            view(pickle).op(b"tR")
        });
        assert_refused(open(&torch_zip(&pickle, &[]), Detail::Full), Kind::Malformed, words);
    };
    storage(b"N", "not a tuple");
    storage(b")", "has 0 parts");
    storage(b"(NNNNNt", "not a storage");
    let id =
        |class: Pickle| Pickle::default().op(b"(").text("storage").op(class.0).text("0").op(b"NK\x02t").0;
    storage(&id(Pickle::default().op(b"N")), "no class");
    storage(&id(Pickle::default().global("os", "system")), "os.system is not a class of storages");
    storage(&id(Pickle::default().global("somebody", "FloatStorage")), "not a class of storages");
    storage(&id(Pickle::default().global("torch", "FancyStorage")), "not a known class");
    // A storage that is not there.
    let missing = dict(|pickle| pickle.text("w").floats("7", 2));
    assert_refused(
        open(&torch_zip(&missing, &[]), Detail::Full),
        Kind::Malformed,
        "\"data/7\", which the file lacks",
    );
}

#[test]
fn shared_and_cyclic_objects_end() {
    let start = ProcessorTime::start();
    // A dictionary that holds itself, and a tensor.
    let cycle = one(Pickle::new().op(b"}q\0").text("me").op(b"h\0s").text("w")).op(b"s").end();
    assert_eq!(names_of(&cycle), ["w"]);
    // Two dictionaries that hold each other.
    let pair = one(Pickle::new().op(b"}q\0").text("b").op(b"}q\x01").text("a").op(b"h\0s").text("w"))
        .op(b"ss")
        .end();
    assert_eq!(names_of(&pair), ["b.w"]);
    // A billion laughs with a tensor at the end: each container is entered a bounded number of times.
    let laughs = (0..60).fold(one(Pickle::new()).op(b"q\0"), |pickle, i| {
        pickle.op([b']', b'q', i + 1, b'(', b'h', i, b'h', i, b'e'])
    });
    let count = names_of(&laughs.end()).len();
    assert!((2..=128).contains(&count), "{count}");
    // The same with wide lists without tensors beside it.
    let wide = (0..40).fold(one(Pickle::new()).op(b"q\0"), |pickle, i| {
        let pickle = pickle.op([b']', b'q', i + 1, b'(', b'h', i, b'h', i]).op(b"N".repeat(100_000));
        pickle.op(b"e")
    });
    assert_refused(
        open(&torch_zip(&wide.end(), &[("0", &floats([1, 2]))]), Detail::Full),
        Kind::TooLarge,
        "paths were tried",
    );
    // Deep nesting around a tensor.
    let deep = |levels: usize| {
        let pickle = one(Pickle::new().op(b"]".repeat(levels))).op(b"a".repeat(levels));
        open(&torch_zip(&pickle.end(), &[("0", &floats([1, 2]))]), Detail::Full)
    };
    assert_eq!(deep(400).unwrap().tensors.len(), 1);
    assert_refused(deep(100_000), Kind::TooLarge, "nested deeper");
    // A long key above many tensors.
    let keys = dict(|pickle| {
        let pickle = pickle.text(&"k".repeat(60_000)).op(b"}(");
        let pickle = one(pickle.text("0")).op(b"q\0");
        (1..5000).fold(pickle, |pickle, i| pickle.text(&i.to_string()).op(b"h\0")).op(b"u")
    });
    let (result, peak) = peak::measure(|| open(&torch_zip(&keys, &[("0", &floats([1, 2]))]), Detail::Full));
    assert_refused(result, Kind::TooLarge, "names have more than");
    assert!(peak < 400 << 20, "{peak}");
    assert!(start.elapsed().as_secs() < 10, "{:?}", start.elapsed());
}

#[test]
fn archives_of_all_shapes() {
    let pickle = dict(|pickle| one(pickle.text("w")));
    let data = floats([1, 2]);
    // Without a folder; with a folder of any name.
    for folder in ["", "any name/", "ä/"] {
        let position = |name: &str| format!("{folder}{name}");
        let file = archive(&[stored(&position("data.pkl"), &pickle), stored(&position("data/0"), &data)]);
        assert_eq!(names(&accepted(&file)), ["w"]);
    }
    let deep = archive(&[stored("a/b/data.pkl", &pickle), stored("a/b/data/0", &data)]);
    assert_refused(open(&deep, Detail::Full), Kind::Unsupported, "ZIP archive of no known");
    let two = archive(&[stored("a/data.pkl", &pickle), stored("b/data.pkl", &pickle)]);
    assert_refused(open(&two, Detail::Full), Kind::Malformed, "two models");
    let order = archive(&[stored("a/data.pkl", &pickle), stored("a/byteorder", b"middle")]);
    assert_refused(open(&order, Detail::Full), Kind::Malformed, "byte order is \"middle\"");
    // TorchScript: the constants have storages of their own.
    let constants = one(Pickle::new()).op(b"\x85").end();
    let script = archive(&[
        stored("m/data.pkl", &pickle),
        stored("m/data/0", &data),
        stored("m/constants.pkl", &constants),
        stored("m/constants/0", &floats([8, 9])),
        deflated("m/code/__torch__.py", b"class M(Module): pass"),
    ]);
    let model = accepted(&script);
    assert_eq!(names(&model), ["w", "constants.0"]);
    assert_eq!(bytes_of(&model, "constants.0", &script), floats([8, 9]));
    assert_eq!(model.metadata[0], ("pytorch.container".into(), Value::Text("torchscript".into())));
    // Numbers and texts of the checkpoint.
    let checkpoint = dict(|pickle| one(pickle.text("epoch").op(b"K\x07").text("name").text("net").text("w")));
    let model = accepted(&torch_zip(&checkpoint, &[("0", &data)]));
    assert!(model.metadata.contains(&("checkpoint.epoch".into(), Value::Int(7))));
    assert!(model.metadata.contains(&("checkpoint.name".into(), Value::Text("net".into()))));
}

#[test]
fn legacy_files_of_all_shapes() {
    let data = floats([1, 2]);
    let pickle = dict(|pickle| one(pickle.text("w")));
    // A view of a larger storage: its own name, the first element, the number of elements.
    let view = dict(|pickle| {
        let pickle = pickle.text("w").global("torch._utils", "_rebuild_tensor_v2").op(b"((");
        let pickle = pickle.text("storage").global("torch", "FloatStorage").text("0").text("cpu").int(6);
        let pickle = pickle.op(b"(").text("view").int(2).int(4).op(b"ttQ");
        pickle.int(1).ints(&[2]).ints(&[1]).op(b"\x89)tR")
    });
    let file = legacy(&view, &[("0", 6, &floats(0..6))]);
    assert_eq!(bytes_of(&accepted(&file), "w", &file), floats([3, 4]));
    // Protocols 0 and 1 write the magic number in digits.
    let digits =
        [b"L119547037146038801333356L\n.".as_slice(), &legacy(&pickle, &[("0", 2, &data)])[15..]].concat();
    assert_eq!(names(&accepted(&digits)), ["w"]);
    for (file, kind, words) in [
        (legacy(&pickle, &[("0", 3, &data)]), Kind::Malformed, "has 3 elements of 4 bytes"),
        (legacy(&pickle, &[("0", u64::MAX / 2, &data)]), Kind::Malformed, "elements of 4 bytes"),
        (legacy(&pickle, &[("9", 2, &data)]), Kind::Malformed, "nothing refers to storage \"9\""),
        (legacy(&pickle, &[]), Kind::Malformed, "which the file lacks"),
        (legacy(&pickle, &[("0", 2, &data), ("0", 2, &data)]), Kind::Malformed, "is there twice"),
        (legacy_head(), Kind::Malformed, "next opcode"),
        (pickle.clone(), Kind::Unsupported, "none that torch.save wrote"),
    ] {
        assert_refused(open(&file, Detail::Full), kind, words);
    }
    let mut tar = vec![0; 1024];
    tar[257..262].copy_from_slice(b"ustar");
    assert_refused(open(&tar, Detail::Full), Kind::Unsupported, "tar archive");
}

#[test]
fn shards_and_their_index() {
    let folder = Folder::new("torch-shards");
    let shard = |name: &str, value: u16| {
        torch_zip(&dict(|pickle| one(pickle.text(name))), &[("0", &floats([value, value]))])
    };
    let index = r#"{"metadata":{"total_size":16},"weight_map":{"a":"pytorch_model-00001-of-00002.bin","b":"pytorch_model-00002-of-00002.bin"}}"#;
    folder.write("pytorch_model-00001-of-00002.bin", &shard("a", 1));
    folder.write("pytorch_model-00002-of-00002.bin", &shard("b", 2));
    let path = folder.write("pytorch_model.bin.index.json", index.as_bytes());
    let files = formats::open_path(&path).unwrap();
    let model = formats::parse(&files, Some(Format::PyTorch), Detail::Full).unwrap();
    assert_eq!((model.format, names(&model)), (Format::PyTorch, vec!["a", "b"]));
    assert_eq!((model.tensors[0].file_no, model.tensors[1].file_no), (1, 2));
    let (a, b) = (shard("a", 1), shard("b", 2));
    let swapped = index.replace("\"a\":", "\"c\":");
    let set = [
        ("x.index.json", swapped.as_bytes()),
        ("pytorch_model-00001-of-00002.bin", &a),
        ("pytorch_model-00002-of-00002.bin", &b),
    ];
    assert_refused(open_files(&set), Kind::Malformed, "tensor \"c\" is in");
    assert_refused(open_files(&[("1.bin", &a), ("2.bin", &a)]), Kind::Malformed, "listed twice");
}

#[test]
fn another_format_than_the_content_is_refused() {
    let file = torch_zip(&dict(|pickle| one(pickle.text("w"))), &[("0", &floats([1, 2]))]);
    let files = FileSet::single("model.gguf", Box::new(&file[..]));
    let result = formats::parse(&files, Some(Format::Gguf), Detail::Full);
    assert_refused(result, Kind::Malformed, "given as GGUF, but the content is PyTorch");
    assert_eq!(formats::detect_files(&files).unwrap(), Format::PyTorch);
}

#[test]
fn damage_is_survived() {
    let pickle =
        dict(|pickle| one(pickle.text("w")).text("t").tensor("FloatStorage", "1", 6, 0, &[3, 2], &[1, 3]));
    let (one, two) = (floats([1, 2]), floats(0..6));
    survives_damage(&torch_zip(&pickle, &[("0", &one), ("1", &two)]), true);
    survives_damage(&legacy(&pickle, &[("0", 2, &one), ("1", 6, &two)]), true);
    survives_damage(
        &archive(&[deflated("m/data.pkl", &pickle), deflated("m/data/0", &one), deflated("m/data/1", &two)]),
        true,
    );
}

#[test]
fn a_million_tensors_or_more() {
    let start = ProcessorTime::start();
    let count = 100_000;
    let pickle = dict(|pickle| {
        (0..count).fold(pickle, |pickle, i| {
            let pickle = pickle.text(&format!("layers.{i}.weight"));
            pickle.tensor("ByteStorage", "0", count, i, &[1], &[1])
        })
    });
    let file = torch_zip(&pickle, &[("0", &vec![1; count as usize])]);
    let (model, peak) = peak::measure(|| open(&file, Detail::Full).unwrap());
    assert_eq!(model.tensors.len(), count as usize);
    assert!(peak < 30 * pickle.len(), "{peak} bytes for a pickle of {}", pickle.len());
    assert!(start.elapsed().as_secs() < 10, "{:?}", start.elapsed());
}

/// An array of NumPy's, as protocol 2 writes it: `_reconstruct`, and a state with the data as text of Latin-1.
fn array(pickle: Pickle, dtype: (&str, &str), shape: &[i64], fortran: bool, data: &[u8]) -> Pickle {
    let text: String = data.iter().map(|byte| char::from(*byte)).collect();
    let pickle = pickle.global("numpy.core.multiarray", "_reconstruct").op(b"(").global("numpy", "ndarray");
    let pickle = pickle.op(b"K\x00\x85C\x01btR(K\x01").ints(shape);
    let pickle = pickle.global("numpy", "dtype").op(b"(").text(dtype.1).op(b"\x89\x88tR(K\x03").text(dtype.0);
    let pickle = pickle.op(b"NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb").op(if fortran {
        b"\x88"
    } else {
        b"\x89"
    });
    pickle.global("_codecs", "encode").op(b"(").text(&text).text("latin1").op(b"tRtb")
}

/// The tensor of a device, from an array.
fn on_device(pickle: Pickle, array: impl FnOnce(Pickle) -> Pickle, dtype: &str) -> Pickle {
    let pickle = array(pickle.global("torch._utils", "_rebuild_device_tensor_from_numpy").op(b"("));
    pickle.global("torch", dtype).text("xla:0").op(b"\x89tR")
}

#[test]
fn tensors_of_devices_are_arrays_in_the_pickle() {
    let numbers: Vec<u8> =
        [1u16, 256, 65535, 3, 4, 5].iter().flat_map(|number| number.to_be_bytes()).collect();
    let pickle = dict(|pickle| {
        let pickle =
            on_device(pickle.text("rows"), |p| array(p, (">", "i2"), &[2, 3], false, &numbers), "int16");
        let pickle =
            on_device(pickle.text("columns"), |p| array(p, (">", "i2"), &[2, 3], true, &numbers), "int16");
        on_device(pickle.text("cast"), |p| array(p, (">", "u2"), &[6], false, &numbers), "float32")
    });
    for file in [torch_zip(&pickle, &[]), legacy(&pickle, &[])] {
        let model = accepted(&file);
        let of = |name: &str| bytes_of(&model, name, &file);
        let words =
            |numbers: &[i16]| numbers.iter().flat_map(|number| number.to_le_bytes()).collect::<Vec<_>>();
        assert_eq!(of("rows"), words(&[1, 256, -1, 3, 4, 5]));
        assert_eq!(of("columns"), words(&[1, -1, 4, 256, 3, 5]));
        assert_eq!(of("cast"), floats([1, 256, 65535, 3, 4, 5]));
    }
    survives_damage(&torch_zip(&pickle, &[]), true);
}

#[test]
fn arrays_that_contradict_themselves_are_refused() {
    let open_with = |fill: &dyn Fn(Pickle) -> Pickle, dtype| {
        open(&torch_zip(&dict(|pickle| on_device(pickle.text("w"), fill, dtype)), &[]), Detail::Full)
    };
    let refused = |fill: &dyn Fn(Pickle) -> Pickle, words: &str| {
        assert_refused(open_with(fill, "float32"), Kind::Malformed, words);
    };
    refused(&|p| array(p, ("<", "f4"), &[3], false, &[0; 8]), "takes 12 bytes, which its data are not");
    refused(&|p| array(p, ("<", "f4"), &[i64::MAX, i64::MAX], false, &[0; 8]), "too long");
    refused(&|p| array(p, ("<", "f4"), &[-1], false, &[0; 8]), "the extent -1");
    refused(&|p| array(p, ("!", "f4"), &[2], false, &[0; 8]), "byte order is none");
    refused(&|p| p.int(7), "nothing that is known");
    // Long texts are not read on opening, and say so when they are.
    let long = |p| array(p, ("<", "f4"), &[20_000], false, &[0; 80_000]);
    assert_eq!(open_with(&long, "float32").unwrap().tensors[0].byte_length, 80_000);
    let longer = |p| array(p, ("<", "f4"), &[20_000], false, &[0; 80_001]);
    let pickle = dict(|pickle| on_device(pickle.text("w"), longer, "float32"));
    let file = torch_zip(&pickle, &[]);
    let model = open(&file, Detail::Full).unwrap();
    let error = model.tensors[0].open(&&file[..]).unwrap().read_at(0, &mut vec![0; 80_000]).unwrap_err();
    assert!(error.to_string().contains("goes on behind"), "{error}");
    // What no tensor of torch's is made of is named.
    for (dtype, to, words) in [
        (("|", "O8"), "float32", "an array of the type O8"),
        (("<", "f4"), "float8_e4m3fn", "F32 that are to become F8_E4M3"),
    ] {
        let model = open_with(&|p| array(p, dtype, &[2], false, &[0; 8]), to).unwrap();
        assert!(model.unlisted().1[0].contains(words), "{:?}", model.unlisted());
    }
}

#[test]
fn what_is_beside_tensors_is_named() {
    let pickle = dict(|pickle| {
        let pickle = array(pickle.text("mean"), ("<", "f4"), &[2], false, &[0; 8]);
        one(pickle.text("storage").storage("FloatStorage", "0", 2).text("w"))
    });
    let model = open(&torch_zip(&pickle, &[("0", &floats([1, 2]))]), Detail::Full).unwrap();
    assert_eq!(names(&model), ["w"]);
    let (count, reasons) = model.unlisted();
    assert_eq!(count, 2);
    assert!(
        reasons[0].starts_with("mean: an array of NumPy's") && reasons[1].starts_with("storage: a storage")
    );
}

#[test]
fn parameters_of_lazy_modules_are_named() {
    let lazy = |pickle: Pickle, class| {
        pickle.op(b"c").op(format!("torch.nn.parameter\n{class}\n").as_bytes()).op(b"(\x88tR")
    };
    let pickle = dict(|pickle| {
        let pickle = lazy(pickle.text("lazy"), "UninitializedParameter");
        one(lazy(pickle.text("buffer"), "UninitializedBuffer").text("w"))
    });
    let model = open(&torch_zip(&pickle, &[("0", &floats([1, 2]))]), Detail::Full).unwrap();
    assert_eq!(names(&model), ["w"]);
    let (count, reasons) = model.unlisted();
    assert_eq!(count, 2);
    assert!(reasons[0].starts_with("lazy: a parameter that nothing was put into yet"));
}

#[test]
fn keys_tell_tensors_apart() {
    let pickle = dict(|pickle| {
        let pickle = one(pickle.op(b"C\x01a"));
        let pickle = one(pickle.op(b"C\x01\xff"));
        let pickle = one(pickle.op(b"(").text("a").op(b"K\x00t"));
        let pickle = one(pickle.op(b"(").text("a").op(b"K\x01t"));
        // A text of Python 2, which is bytes; a number of 70 bits; a tuple in a tuple, with a quote.
        let pickle = one(pickle.op(b"U\x02\xc3\xa4"));
        let pickle = one(pickle.op(b"\x8a\x09\0\0\0\0\0\0\0\0\x01"));
        one(pickle.op(b"(N(").text("it's").op(b"tt"))
    });
    let mut expected =
        ["a", "b'\\xff'", "('a', 0)", "('a', 1)", "ä", "18446744073709551616", "(None, (\"it's\",))"];
    expected.sort_unstable();
    assert_eq!(names_of(&pickle), expected);
    // Equal keys are one pair, whatever they are.
    let twice = dict(|pickle| {
        let pickle = one(pickle.op(b"C\x01a").op(b"N(").text("a").op(b"t"));
        one(pickle.op(b"(").text("a").op(b"tN").op(b"C\x01a"))
    });
    assert_eq!(names_of(&twice), ["a"]);
    // Tuples that share their parts, 2^60 of them in one key.
    let shared = (0..60).fold(Pickle::new().op(b"}(K\x00"), |pickle, _| pickle.op(b"2\x86"));
    let start = ProcessorTime::start();
    assert_eq!(names_of(&one(shared).op(b"u").end()).len(), 1);
    assert!(start.elapsed().as_secs() < 2);
}

#[test]
fn wrong_checksums_are_warnings() {
    let pickle = dict(|pickle| one(pickle.text("w")));
    let data = floats([1, 2]);
    let file = |pickle_crc: Option<u32>, data_crc: Option<u32>, deflate: bool| {
        let make = if deflate { deflated } else { stored };
        let mut entries = [make("m/data.pkl", &pickle), make("m/data/0", &data)];
        for (entry, crc) in entries.iter_mut().zip([pickle_crc, data_crc]) {
            entry.crc = crc.unwrap_or(entry.crc);
        }
        archive(&entries)
    };
    for deflate in [false, true] {
        for (crcs, warnings) in
            [((None, None), 0), ((Some(0), Some(0)), 0), ((None, Some(1)), 1), ((Some(0), Some(1)), 1)]
        {
            let file = file(crcs.0, crcs.1, deflate);
            let model = open(&file, Detail::Full).unwrap();
            assert_eq!(bytes_of(&model, "w", &file), data);
            let found = model.metadata.iter().find(|(key, _)| key == "warnings");
            let count = found.map_or(0, |(_, value)| match value {
                Value::Array(array) => array.count,
                _ => panic!("{value:?}"),
            });
            assert_eq!(count, warnings, "{crcs:?}");
        }
        // A pickle that is not what was written is none that is read.
        assert_refused(open(&file(Some(1), None, deflate), Detail::Full), Kind::Malformed, "CRC-32");
    }
}
