//! Pickles: every opcode, malicious ones, bombs, and the report of what they would import.

use crate::common::processor_time::ProcessorTime;
use crate::common::torch::{Pickle, dict, legacy, torch_zip};
use crate::common::zip::{archive, deflated, stored};
use crate::common::{Kind, assert_refused, noise, open, peak};
use atomizer_core::formats::containers::pickle::{self, Object, Value};
use atomizer_core::formats::safety::policy::classify;
use atomizer_core::formats::safety::{Kind as What, SafetyReport, Verdict, safety_report};
use atomizer_core::formats::{self, Detail, FileSet, ParseError};
use proptest::prelude::*;

fn read(bytes: &[u8]) -> Result<pickle::Pickle, ParseError> {
    pickle::read(&bytes)
}

/// What a pickle builds, as text.
fn show(bytes: impl AsRef<[u8]>) -> String {
    let pickle = read(bytes.as_ref()).unwrap();
    text_of(&pickle, pickle.root(), 9)
}

fn text_of(pickle: &pickle::Pickle, value: Value, depth: usize) -> String {
    let list = |items: &[Value]| {
        items.iter().map(|item| text_of(pickle, *item, depth - 1)).collect::<Vec<_>>().join(" ")
    };
    let pairs = |pairs: &[(Value, Value)]| {
        let pairs =
            pairs.iter().map(|(k, v)| text_of(pickle, *k, depth - 1) + ":" + &text_of(pickle, *v, depth - 1));
        pairs.collect::<Vec<_>>().join(" ")
    };
    if depth == 0 {
        return "…".into();
    }
    match value {
        Value::None => "None".into(),
        Value::Bool(value) => value.to_string(),
        Value::Int(value) => value.to_string(),
        Value::Float(value) => format!("{value:?}"),
        Value::Text(_) => format!("'{}'", pickle.text(value).unwrap()),
        Value::Global(_) => {
            let global = pickle.global(value).unwrap();
            format!("{}.{}", global.module, global.name)
        }
        Value::Opaque => "?".into(),
        Value::Object(_) => match pickle.object(value).unwrap() {
            Object::Tuple(items) => format!("({})", list(items)),
            Object::List(items) => format!("[{}]", list(items)),
            Object::Dict(items) => format!("{{{}}}", pairs(items)),
            Object::Bytes(bytes) => format!("bytes({})", bytes.range.len),
            Object::LongText(range) => format!("text({})", range.len),
            Object::Long(bytes) => format!("long({})", bytes.len()),
            Object::Persistent(id) => format!("persistent{}", text_of(pickle, *id, depth - 1)),
            Object::Deferred(made) => format!(
                "{}{}[{}]{{{}}}={}",
                text_of(pickle, made.callee, depth - 1),
                text_of(pickle, made.arguments, depth - 1),
                list(&made.items),
                pairs(&made.pairs),
                text_of(pickle, made.state, depth - 1)
            ),
        },
    }
}

#[test]
fn every_opcode() {
    let cases: &[(&[u8], &str)] = &[
        // Constants
        (b"N.", "None"),
        (b"\x88.", "true"),
        (b"\x89.", "false"),
        (b"I01\n.", "true"),
        (b"I00\n.", "false"),
        (b"I-12\n.", "-12"),
        (b"I99999999999999999999999\n.", "?"),
        (b"J\xfe\xff\xff\xff.", "-2"),
        (b"K\xff.", "255"),
        (b"M\x01\x02.", "513"),
        (b"L-5L\n.", "-5"),
        (b"L119547037146038801333356L\n.", "long(16)"),
        (b"\x8a\0.", "0"),
        (b"\x8a\x01\xff.", "-1"),
        (b"\x8a\x02\xff\0.", "255"),
        (b"\x8a\x0a0123456789.", "long(10)"),
        (b"\x8a\x1101234567890123456.", "?"),
        (b"\x8b\x02\0\0\0\x01\x01.", "257"),
        (b"F1.5\n.", "1.5"),
        (b"G\x3f\xf8\0\0\0\0\0\0.", "1.5"),
        // Texts and bytes
        (b"S'a\\n\\x41\\'\\101'\n.", "'a\nA'A'"),
        (b"S\"b\"\n.", "'b'"),
        (b"T\x02\0\0\0ab.", "'ab'"),
        (b"U\x02ab.", "'ab'"),
        (b"V\\u00e4\\U0001f600\xe4\n.", "'ä😀ä'"),
        (b"X\x02\0\0\0\xc3\xa4.", "'ä'"),
        (b"\x8c\x01a.", "'a'"),
        (b"\x8d\x01\0\0\0\0\0\0\0a.", "'a'"),
        (b"C\x02ab.", "bytes(2)"),
        (b"B\x02\0\0\0ab.", "bytes(2)"),
        (b"\x8e\x02\0\0\0\0\0\0\0ab.", "bytes(2)"),
        (b"\x96\x02\0\0\0\0\0\0\0ab.", "bytes(2)"),
        (b"\x97\x98.", "?"),
        // Containers
        (b").", "()"),
        (b"(K\x01K\x02t.", "(1 2)"),
        (b"K\x01\x85.", "(1)"),
        (b"K\x01K\x02\x86.", "(1 2)"),
        (b"K\x01K\x02K\x03\x87.", "(1 2 3)"),
        (b"].", "[]"),
        (b"(K\x01l.", "[1]"),
        (b"]K\x01a.", "[1]"),
        (b"](K\x01K\x02e.", "[1 2]"),
        (b"\x8f(K\x01\x90.", "[1]"),
        (b"(K\x01\x91.", "[1]"),
        (b"}.", "{}"),
        (b"(K\x01K\x02d.", "{1:2}"),
        (b"}K\x01K\x02s.", "{1:2}"),
        (b"}(K\x01K\x02K\x03Nu.", "{1:2 3:None}"),
        // Stack and memo
        (b"K\x01K\x020.", "1"),
        (b"K\x01(0.", "1"),
        (b"K\x01(K\x02K\x031.", "1"),
        (b"K\x012\x86.", "(1 1)"),
        (b"K\x01p5\ng5\n\x86.", "(1 1)"),
        (b"K\x01q\x05h\x05\x86.", "(1 1)"),
        (b"K\x01r\x05\0\0\0j\x05\0\0\0\x86.", "(1 1)"),
        (b"K\x01\x94h\0\x86.", "(1 1)"),
        (b"K\x01r\xff\xff\xff\xffK\x02q\x03\x94K\x03q\x03j\xff\xff\xff\xffh\x02h\x03\x87.", "(1 2 3)"),
        // Globals and calls
        (b"cos\nsystem\n.", "os.system"),
        (b"\x8c\x02os\x8c\x06system\x93.", "os.system"),
        (b"NN\x93.", "."),
        (b"\x82\x05.", "copyreg extension.5"),
        (b"\x83\x05\x01.", "copyreg extension.261"),
        (b"\x84\x05\0\0\x01.", "copyreg extension.16777221"),
        (b"cm\nf\nK\x01\x85R.", "m.f(1)[]{}=None"),
        (b"cm\nC\n)\x81.", "m.C()[]{}=None"),
        (b"cm\nC\n)}\x92.", "m.C()[{}]{}=None"),
        (b"(K\x01im\nC\n.", "m.C(1)[]{}=None"),
        (b"(cm\nC\nK\x01o.", "m.C(1)[]{}=None"),
        (b"cm\nC\n)\x81}b.", "m.C()[]{}={}"),
        (b"cm\nC\n)\x81K\x01a(K\x02eK\x03K\x04s.", "m.C()[1 2]{3:4}=None"),
        (b"K\x07Q.", "persistent7"),
        // Framing
        (b"\x80\x05\x95\x02\0\0\0\0\0\0\0N.", "None"),
    ];
    for (bytes, expected) in cases {
        assert_eq!(show(bytes), *expected, "{}", bytes.escape_ascii());
    }
}

#[test]
fn broken_pickles_are_refused() {
    for (bytes, words) in [
        (&b""[..], "empty"),
        (b".", "stack is empty"),
        (b"N", "next opcode"),
        (b"\xff.", "no opcode 0xff"),
        (b"0.", "stack is empty"),
        (b"t.", "no mark"),
        (b"N\x86.", "fewer than 2"),
        (b"N(\x85.", "fewer than 1"),
        (b"h\0.", "nothing at 0"),
        (b"q\0.", "stack is empty"),
        (b"g-1\n.", "not an index"),
        (b"NNa.", "not a list"),
        (b"NNNs.", "not a dictionary"),
        (b"}(Nu.", "a key has no value"),
        (b"NNR.", "not a tuple"),
        (b"(o.", "has no class"),
        (b"Pid\n.", "persistent id is text"),
        (b"Ix\n.", "not an integer"),
        (b"Fx\n.", "not a number"),
        (b"Sx\n.", "no quotes"),
        (b"S'\\q'\n.", "unknown escape"),
        (b"V\\u12\n.", "within an escape"),
        (b"X\xff\xff\xff\xffab.", "needs 4294967295 bytes"),
        (b"\x8d\xff\xff\xff\xff\xff\xff\xff\xffab.", "needs 18446744073709551615 bytes"),
        (b"\x8e\xff\xff\xff\xff\xff\xff\xff\xffab.", "needs 18446744073709551615 bytes"),
        (b"\x8b\xff\xff\xff\xff.", "has -1 bytes"),
        (b"\x8b\xff\xff\xff\x7f.", "needs 2147483647 bytes"),
        (b"\x95\xff\0\0\0\0\0\0\0N.", "a frame has 255 bytes"),
    ] {
        assert_refused(read(bytes), Kind::Malformed, words);
    }
    assert_refused(read(b"\x80\x06N."), Kind::Unsupported, "protocol 6");
    assert_refused(read(&[b"I", &[b'1'; 70_000][..]].concat()), Kind::TooLarge, "a line of the pickle");
}

/// `eval` and its kin, by every opcode that imports and every one that calls.
#[test]
fn malicious_pickles_do_nothing_and_are_reported() {
    let canary = std::env::temp_dir().join(format!("atomizer-canary-{}", std::process::id()));
    let command = format!("touch {}", canary.display());
    let import = |module: &str, name: &str| {
        [Pickle::new().global(module, name), Pickle::new().text(module).text(name).op(b"\x93")]
    };
    let mut files = Vec::new();
    for (module, name) in [
        ("os", "system"),
        ("posix", "system"),
        ("builtins", "eval"),
        ("__builtin__", "exec"),
        ("subprocess", "Popen"),
        ("torch.serialization", "os.system"),
        ("runpy", "run_path"),
    ] {
        for start in import(module, name) {
            files.push((module, name, start.clone().text(&command).op(b"\x85R").end()));
            files.push((module, name, start.clone().text(&command).op(b"\x85\x81").end()));
            files.push((module, name, start.clone().text(&command).op(b"\x85}\x92").end()));
            files.push((module, name, start.clone().op(b")\x81").text(&command).op(b"b").end()));
            // The result of a call is called.
            let getattr = Pickle::new().global("builtins", "getattr").op(&start.0[2..]).text("__call__");
            files.push((module, name, getattr.op(b"\x86R").text(&command).op(b"\x85R").end()));
        }
        let inst = Pickle::new().op(b"(").text(&command).op(format!("i{module}\n{name}\n"));
        files.push((module, name, inst.end()));
        let obj = Pickle::new().op(b"(").global(module, name).text(&command).op(b"o");
        files.push((module, name, obj.end()));
    }
    for (module, name, pickle) in files {
        for file in [torch_zip(&pickle, &[]), legacy(&pickle, &[])] {
            assert_refused(open(&file, Detail::Full), Kind::Malformed, "holds no tensor");
            let report = report(&file);
            let found = report.findings.iter().find(|found| found.what == format!("{module}.{name}"));
            assert_eq!(found.unwrap().verdict, Verdict::Dangerous, "{module}.{name}");
            assert_eq!(report.verdict(), Verdict::Dangerous);
        }
    }
    assert!(!canary.exists());
}

fn report(file: &[u8]) -> SafetyReport {
    safety_report(&FileSet::single("model", Box::new(file)), &[], &mut || {})
}

/// The findings of a kind.
fn of(report: &SafetyReport, kind: What) -> Vec<(Verdict, &str, u64)> {
    let found = report.findings.iter().filter(|found| found.kind == kind);
    found.map(|found| (found.verdict, found.what.as_str(), found.count)).collect()
}

#[test]
fn the_report_reads_every_pickle_of_a_file() {
    let good = dict(|pickle| pickle.text("w").floats("0", 2));
    let bad = Pickle::new().global("os", "system").end();
    let odd = Pickle::new().global("somebody", "thing").global("somebody", "thing").end();
    // Entries beside the one that torch reads, one of them broken behind a payload.
    let broken = [&bad[..bad.len() - 1], b"\xff"].concat();
    let file = archive(&[
        stored("m/data.pkl", &good),
        stored("m/data/0", &[0; 8]),
        deflated("m/other.pkl", &odd),
        stored("m/broken.pkl", &broken),
    ]);
    let found = report(&file);
    let broken = &found.findings.iter().find(|found| found.kind == What::Pickle).unwrap();
    assert!(broken.place.contains("m/broken.pkl") && broken.what.contains("0xff"), "{broken:?}");
    assert_eq!(
        of(&found, What::Global),
        [
            (Verdict::Dangerous, "os.system", 1),
            (Verdict::Suspicious, "somebody.thing", 2),
            (Verdict::Safe, "collections.OrderedDict", 1),
            (Verdict::Safe, "torch.FloatStorage", 1),
            (Verdict::Safe, "torch._utils._rebuild_tensor_v2", 1),
        ]
    );
    let safe = report(&torch_zip(&good, &[]));
    assert_eq!(safe.verdict(), Verdict::Safe);
    assert!(safe.findings.iter().any(|found| found.kind == What::Examined));
    // Legacy files: all five pickles. A bare pickle of protocol 0, and an object array.
    let old = report(&legacy(&good, &[("0", 2, &[0; 8])]));
    assert!(of(&old, What::Examined)[0].1.contains("5 pickles"), "{old:?}");
    assert_eq!(report(b"cos\nsystem\n(S'true'\ntR.").verdict(), Verdict::Dangerous);
    let header = "{'descr': '|O', 'fortran_order': False, 'shape': (1,), }\n";
    let array =
        [b"\x93NUMPY\x01\0", &(header.len() as u16).to_le_bytes()[..], header.as_bytes(), &bad].concat();
    assert_eq!(report(&array).verdict(), Verdict::Dangerous);
    assert_eq!(report(&archive(&[stored("a.npy", &array)])).verdict(), Verdict::Dangerous);
    let safetensors =
        [&55u64.to_le_bytes()[..], b"{\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]}} ", &[7]]
            .concat();
    let found = report(&safetensors);
    assert_eq!((found.findings.len(), found.verdict()), (1, Verdict::Safe), "{found:?}");
    // A wrong checksum hides nothing, one of zero was not computed.
    for (crc, verdict) in [(1, Verdict::Suspicious), (0, Verdict::Safe)] {
        let file = archive(&[crate::common::zip::Entry { crc, ..stored("m/data.pkl", &good) }]);
        assert_eq!(report(&file).verdict(), verdict);
        let file = archive(&[crate::common::zip::Entry { crc, ..stored("m/data.pkl", &bad) }]);
        assert_eq!(report(&file).verdict(), Verdict::Dangerous);
    }
}

#[test]
fn verdicts() {
    for (module, name, verdict) in [
        ("torch", "BFloat16Storage", Verdict::Safe),
        ("torch", "float8_e4m3fn", Verdict::Safe),
        ("torch._utils", "_rebuild_parameter", Verdict::Safe),
        ("torch.storage", "UntypedStorage", Verdict::Safe),
        ("numpy", "dtype", Verdict::Safe),
        ("__torch__.torch.nn.modules.linear", "Linear", Verdict::Safe),
        ("builtins", "dict", Verdict::Suspicious),
        ("argparse", "Namespace", Verdict::Suspicious),
        ("transformers.training_args", "TrainingArguments", Verdict::Suspicious),
        ("torch.nn.modules.linear", "Linear", Verdict::Suspicious),
        ("torch", "load", Verdict::Dangerous),
        ("torch.storage", "_load_from_bytes", Verdict::Dangerous),
        ("torch.hub", "load", Verdict::Dangerous),
        ("builtins", "getattr", Verdict::Dangerous),
        ("builtins", "anything", Verdict::Dangerous),
        ("numpy.testing._private.utils", "runstring", Verdict::Dangerous),
        ("torch.serialization", "os.system", Verdict::Dangerous),
        ("somebody", "thing.__globals__", Verdict::Dangerous),
        ("", "", Verdict::Dangerous),
        ("os.path", "join", Verdict::Dangerous),
    ] {
        assert_eq!(classify(module, name).0, verdict, "{module}.{name}");
    }
}

#[test]
fn a_quick_end_for_bombs() {
    let start = ProcessorTime::start();
    let laughs = (0..60).fold(Pickle::new().op(b"]q\0"), |pickle, i| {
        // A list that holds the one before twice.
        pickle.op([b']', b'q', i + 1, b'(', b'h', i, b'h', i, b'e'])
    });
    assert_refused(open(&torch_zip(&laughs.end(), &[]), Detail::Full), Kind::Malformed, "no tensor");
    // One value put into the memo under millions of numbers, and got as often.
    let mut memo = b"\x80\x02N".to_vec();
    (0..5_000_000u32).for_each(|i| memo.extend([&b"r"[..], &i.to_le_bytes()].concat()));
    memo.push(b'.');
    assert!(read(&memo).is_ok());
    memo.pop();
    memo.extend([b'\x94'; 4_000_000]);
    assert_refused(read(&memo), Kind::TooLarge, "holds more than");
    let mut sparse = b"N".to_vec();
    (0..100_000u32).for_each(|i| sparse.extend([&b"r"[..], &(i * 40_000).to_le_bytes()].concat()));
    assert_refused(read(&sparse), Kind::TooLarge, "out of order");
    for (bytes, count) in [(&b"]"[..], 9 << 20), (b"(", 9 << 20), (b"}q\0", 5 << 20), (b")", 9 << 20)] {
        assert_refused(read(&bytes.repeat(count)), Kind::TooLarge, "holds more than");
    }
    // What is thrown away again costs no memory, but time.
    let churn = b"N0".repeat(20 << 20);
    let (result, peak) = peak::measure(|| read(&churn));
    assert_refused(result, Kind::TooLarge, "opcodes");
    assert!(peak < 1 << 20, "{peak}");
    // A small archive that expands to a large pickle.
    let bomb = archive(&[deflated("m/data.pkl", &vec![b'N'; 110 << 20])]);
    let (result, peak) = peak::measure(|| open(&bomb, Detail::Full));
    assert_refused(result, Kind::TooLarge, "expands to 115343360 bytes");
    assert!(peak < 1 << 20, "{peak}");
    // Lists within lists, deeper than any stack.
    let deep = [b"]".repeat(1_000_000), b"a".repeat(999_999), b".".to_vec()].concat();
    assert!(read(&deep).is_ok());
    assert_refused(open(&torch_zip(&deep, &[]), Detail::Full), Kind::Malformed, "no tensor");
    assert!(start.elapsed().as_secs() < 20, "{:?}", start.elapsed());
}

#[test]
fn an_expanding_pickle_is_read_in_one_pass() {
    // Many times the reader's buffer, compressed: going back for each buffer would take minutes.
    let start = ProcessorTime::start();
    let text = String::from_utf8(noise(3, 50_000).iter().map(|byte| b'a' + byte % 26).collect()).unwrap();
    let pickle = dict(|pickle| {
        (0..400)
            .fold(pickle, |pickle, i| pickle.text(&format!("{i}{text}")).op(b"N"))
            .text("w")
            .floats("0", 2)
    });
    let file = archive(&[deflated("m/data.pkl", &pickle), stored("m/data/0", &[1; 8])]);
    assert_eq!(open(&file, Detail::Full).unwrap().tensors.len(), 1);
    assert!(start.elapsed().as_secs() < 10, "{:?}", start.elapsed());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn any_bytes_are_survived(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = read(&bytes);
        let _ = formats::parse(&FileSet::single("m", Box::new(&torch_zip(&bytes, &[("0", &[0; 8])])[..])), None, Detail::Full);
    }

    /// Opcodes that do something, in any order, so that deeper states are reached than by any bytes.
    #[test]
    fn any_opcodes_are_survived(choice in proptest::collection::vec(0usize..22, 0..120)) {
        let opcodes: [&[u8]; 22] = [
            b"N", b"K\x01", b"X\x01\0\0\0a", b"(", b")", b"]", b"}", b"t", b"\x85", b"\x86", b"a", b"s", b"u", b"e",
            b"ctorch._utils\n_rebuild_tensor_v2\n", b"ctorch\nFloatStorage\n", b"R", b"b", b"q\0", b"h\0", b"Q", b"0",
        ];
        let mut bytes: Vec<u8> = choice.iter().flat_map(|number| opcodes[*number]).copied().collect();
        bytes.push(b'.');
        let file = torch_zip(&bytes, &[("0", &[0; 8])]);
        let _ = open(&file, Detail::Full);
        let _ = report(&file);
    }
}

/// Any opcode may stand before the payload, and what is not a pickle at all must not look safe.
#[test]
fn nothing_hides_behind_the_first_opcodes() {
    let payload = b"cos\nsystem\n(S'id'\ntR.";
    for prefix in
        ["", "N0", "N0\u{1}", "]0", "}0", ")0", "I1\n0", "S'a'\n0", "V()\n0", "X\u{0}\u{0}\u{0}\u{0}0"]
    {
        let file = [prefix.as_bytes(), payload].concat();
        let report = report(&file);
        let seen = report.findings.iter().any(|found| found.what == "os.system");
        assert!(seen || report.verdict() == Verdict::Suspicious, "{prefix:?}");
        assert!(seen || prefix == "N0\u{1}", "{prefix:?}");
    }
    for file in [&b"hello world"[..], b"", b"\x1f\x8b\x08\0\0\0\0\0"] {
        assert_ne!(report(file).verdict(), Verdict::Safe, "{file:02x?}");
    }
}
