//! The report on what loading a file would run: a payload is found wherever Python would find it, whatever the file
//! claims to be, and code without a pickle too.

use crate::common::peak;
use crate::common::processor_time::ProcessorTime;
use crate::common::torch::{Pickle, dict, legacy, torch_zip};
use crate::common::zip::{Entry, Local, archive, deflated, stored};
use atomizer_core::formats::FileSet;
use atomizer_core::formats::safety::{Kind, SafetyReport, Verdict, safety_report};

/// A pickle that would run a command, in every protocol's way to name it.
fn payloads() -> Vec<Vec<u8>> {
    let argument = b"X\x04\0\0\0true\x85R.";
    vec![
        b"cos\nsystem\n(S'true'\ntR.".to_vec(),
        b"(S'true'\nios\nsystem\n.".to_vec(),
        b"(cos\nsystem\nS'true'\no.".to_vec(),
        [b"\x80\x02cos\nsystem\n", &argument[..]].concat(),
        [b"\x80\x04\x8c\x02os\x94\x8c\x06system\x94\x93", &argument[..]].concat(),
        // Names from the memo, under numbers that nobody uses in a row.
        [b"\x80\x04\x8c\x02osr\xff\xff\0\x000\x8c\x06systemp77\n0j\xff\xff\0\0g7_7\n\x93", &argument[..]]
            .concat(),
        // Names that calls give.
        [b"\x80\x04c_codecs\nencode\n\x8c\x02os\x85R\x8c\x06system\x93", &argument[..]].concat(),
        [b"\x80\x05\x95\x19\0\0\0\0\0\0\0cposix\nsystem\n", &argument[..]].concat(),
    ]
}

fn payload() -> Vec<u8> {
    payloads().swap_remove(3)
}

fn named(name: &str, file: &[u8]) -> SafetyReport {
    safety_report(&FileSet::single(name, Box::new(file)), &[], &mut || {})
}

fn report(file: &[u8]) -> SafetyReport {
    named("model", file)
}

#[track_caller]
fn assert_verdict(file: &[u8], verdict: Verdict) {
    let report = report(file);
    assert_eq!(report.verdict(), verdict, "{:?} of {:?}", report, String::from_utf8_lossy(file));
}

#[track_caller]
fn assert_dangerous(file: &[u8]) {
    assert_verdict(file, Verdict::Dangerous);
}

#[track_caller]
fn assert_finding(file: &[u8], verdict: Verdict, kind: Kind, words: &str) {
    let report = report(file);
    let found = report.findings.iter().any(|found| {
        found.verdict == verdict
            && found.kind == kind
            && format!("{} {}", found.what, found.why).contains(words)
    });
    assert!(found, "{words}: {report:#?}");
}

fn tar(members: &[(&str, &[u8])]) -> Vec<u8> {
    let mut file = Vec::new();
    for (name, bytes) in members {
        let mut header = [0u8; 512];
        header[..name.len()].copy_from_slice(name.as_bytes());
        header[124..136].copy_from_slice(format!("{:011o}\0", bytes.len()).as_bytes());
        header[148..156].fill(b' ');
        header[156] = b'0';
        let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
        header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        file.extend(header);
        file.extend(*bytes);
        file.resize(file.len().next_multiple_of(512), 0);
    }
    file.resize(file.len() + 1024, 0);
    file
}

fn array(descr: &str, data: &[u8]) -> Vec<u8> {
    let header = format!("{{'descr': {descr}, 'fortran_order': False, 'shape': (1,), }}\n");
    [b"\x93NUMPY\x01\0", &(header.len() as u16).to_le_bytes()[..], header.as_bytes(), data].concat()
}

#[test]
fn every_protocol_is_read() {
    for payload in payloads() {
        assert_dangerous(&payload);
        assert_dangerous(&torch_zip(&payload, &[]));
        assert_dangerous(&legacy(&payload, &[]));
    }
}

#[test]
fn a_pickle_is_found_in_every_container() {
    let good = dict(|pickle| pickle.text("w").floats("0", 2));
    for payload in payloads() {
        let zip = archive(&[stored("m/data.pkl", &good), deflated("m/readme.txt", &payload)]);
        assert_dangerous(&zip);
        assert_dangerous(&archive(&[stored("a.png", &zip)]));
        assert_dangerous(&archive(&[deflated("a", &archive(&[deflated("b", &zip)]))]));
        let tar = tar(&[("sys_info", b"\x80\x02}."), ("storages", &payload)]);
        assert_dangerous(&tar);
        assert_dangerous(&archive(&[stored("x", &tar)]));
        for descr in ["'|O'", "'O'", "'object'", "[('a', '<f4'), ('b', 'O')]", "'<f4'"] {
            assert_dangerous(&array(descr, &payload));
            assert_dangerous(&archive(&[stored("a", &array(descr, &payload))]));
        }
        // Something stands before the archive, or behind it.
        assert_dangerous(&[b"#!/bin/sh\nexit\n", &zip[..]].concat());
        assert_dangerous(&[&zip[..], &payload].concat());
    }
}

#[test]
fn other_formats_may_begin_like_a_pickle() {
    // 0x80 0x02 and six zeros are the length of a header that safetensors would allow.
    let payload = payload();
    let header = [b"{}", &[b' '; 0x280 - 2][..]].concat();
    let safetensors = [&0x280u64.to_le_bytes()[..], &header].concat();
    assert_verdict(&safetensors, Verdict::Safe);
    let polyglot = [&b"\x80\x02X\0\0\0\0\x85"[..], b"0cos\nsystem\n(tR."].concat();
    assert_dangerous(&polyglot);
    // A user block before an HDF5 file, and the signature behind it.
    let mut user_block = payload.clone();
    user_block.resize(512, 0);
    assert_dangerous(&[&user_block[..], b"\x89HDF\r\n\x1a\n", &[0; 64]].concat());
    // The magic of GGUF is a number to Python.
    assert_dangerous(&[&b"GGUF\x03\0\0\0\0"[..], b"0cos\nsystem\n(tR.", &[0; 64]].concat());
    // A table of TensorFlow ends with its magic.
    assert_dangerous(&[&payload[..], &[0; 40], &0xdb47_7524_8b80_fb57u64.to_le_bytes()].concat());
    // A name of a tar's first member.
    let mut tar = tar(&[("cos\nsystem\n(tR.", b"x")]);
    assert_dangerous(&tar);
    tar[0] = b'd';
    assert_ne!(report(&tar).verdict(), Verdict::Dangerous);
}

#[test]
fn pickles_behind_pickles_are_read() {
    let (good, bad) = (b"\x80\x02}.".to_vec(), payload());
    assert_dangerous(&[&good[..], &bad].concat());
    assert_dangerous(&[&good[..], &good, b"cos\nsystem\n(tR."].concat());
    assert_dangerous(&[&good[..], b"(lp0\n.cos\nsystem\n(tR."].concat());
    assert_dangerous(&torch_zip(&[&dict(|pickle| pickle)[..], &bad].concat(), &[]));
    // Data in between, as joblib and torch wrote them.
    assert_dangerous(&[&good[..], &[7; 3000], &bad].concat());
    assert_finding(&[&good[..], &[7; 3000]].concat(), Verdict::Suspicious, Kind::Pickle, "3000 bytes behind");
    let many = good.repeat(20_000);
    assert_finding(&many, Verdict::Suspicious, Kind::Limit, "16384 pickles");
    // A pickle in a pickle's bytes.
    let inner = [b"\x80\x03B", &(bad.len() as u32).to_le_bytes()[..], &bad, b"."].concat();
    assert_dangerous(&inner);
}

#[test]
fn a_pickle_that_breaks_off_has_run_before() {
    let bad = payload();
    assert_dangerous(&torch_zip(&[&bad[..bad.len() - 1], b"\xff"].concat(), &[]));
    // Python stops at the empty stack; whoever reads only opcodes does not, whatever the entry is called.
    assert_dangerous(&archive(&[stored("a.txt", b"\x80\x020cos\nsystem\n(tR.")]));
    let report = report(&torch_zip(b"\x80\x020cos\nsystem\n(tR.", &[]));
    assert_eq!(report.verdict(), Verdict::Dangerous);
    assert!(report.findings.iter().any(|found| found.what.contains("stack is empty")));
}

#[test]
fn names_are_not_hidden_by_tricks() {
    let harmless = |ops: &[u8]| [b"\x80\x04", ops, b"."].concat();
    assert_verdict(&harmless(b"\x8c\x0bcollections\x8c\x0bOrderedDict\x93)R"), Verdict::Safe);
    // Another text in between: scanners that look back take the wrong names.
    let hidden = harmless(b"\x8c\x0bcollections\x8c\x0bOrderedDictN0\x93)R");
    assert_finding(&hidden, Verdict::Suspicious, Kind::Global, "put together");
    assert_finding(&harmless(b"ctorch\nTensor\n}b"), Verdict::Suspicious, Kind::Global, "attributes of it");
    for (opcodes, words) in [
        (b"]\x80\x04".to_vec(), "PROTO"),
        (b"]\x94h\0a".to_vec(), "itself"),
        ([b"]\x94]\x94".to_vec(), b"h\0a".repeat(150)].concat(), "memo more than"),
        ([b"]".to_vec(), b"2".repeat(150)].concat(), "duplicated"),
    ] {
        assert_finding(&harmless(&opcodes), Verdict::Suspicious, Kind::Pickle, words);
    }
    // A ZIP archive is no pickle, although its first opcode is one.
    let zip = archive(&[stored("a\n", &dict(|pickle| pickle))]);
    assert_verdict(&zip, Verdict::Safe);
    assert_finding(&harmless(b"\x82\x07"), Verdict::Suspicious, Kind::Global, "registry");
}

#[test]
fn archives_that_programs_read_differently_are_suspicious() {
    let (good, bad) = (stored("m/data.pkl", &dict(|pickle| pickle)), stored("m/x", &payload()));
    assert_verdict(&archive(std::slice::from_ref(&good)), Verdict::Safe);
    let suspicious = |entry: Entry, words: &str| {
        assert_finding(&archive(&[entry]), Verdict::Suspicious, Kind::Archive, words);
    };
    let local = |local: Local| Entry { local, ..good.clone() };
    suspicious(local(Local { name: Some(b"m/data.xyz".into()), ..Local::default() }), "directory: name");
    suspicious(local(Local { method: Some(8), ..Local::default() }), "directory: compression");
    suspicious(local(Local { flags: Some(1), ..Local::default() }), "directory: encryption");
    suspicious(local(Local { length: Some(3), ..Local::default() }), "directory: length");
    suspicious(local(Local { crc: Some(3), ..Local::default() }), "directory: checksum");
    suspicious(Entry { flags: 1, ..good.clone() }, "encrypted");
    suspicious(Entry { method: 12, ..good.clone() }, "method 12 (bzip2)");
    suspicious(Entry { method: 77, ..good.clone() }, "method 77");
    suspicious(Entry { length: 3, ..good.clone() }, "should have 3");
    suspicious(Entry { crc: 7, ..good.clone() }, "wrong checksum");
    suspicious(stored("../x", b"N."), "named \"../x\"");
    assert_finding(
        &archive(&[good.clone(), good.clone()]),
        Verdict::Suspicious,
        Kind::Archive,
        "there twice",
    );
    // What is wrong with an entry hides nothing of it.
    for entry in [
        Entry { flags: 1, ..bad.clone() },
        Entry { crc: 7, ..bad.clone() },
        Entry { length: 3, ..bad.clone() },
        Entry { local: Local { method: Some(8), ..Local::default() }, ..bad.clone() },
        Entry { method: 77, ..bad.clone() },
        Entry { flags: 8, ..bad.clone() },
        Entry { zip64: true, ..bad.clone() },
    ] {
        assert_dangerous(&archive(&[good.clone(), entry]));
    }
    // An entry that no directory lists, as a stream shows it; an archive without a directory.
    let whole = archive(&[bad.clone(), good.clone()]);
    let end = whole.len() - 22;
    let first = whole.windows(4).position(|bytes| bytes == b"PK\x01\x02").unwrap();
    let second =
        first + 4 + whole[first + 4..end].windows(4).position(|bytes| bytes == b"PK\x01\x02").unwrap();
    let mut unlisted = [&whole[..first], &whole[second..]].concat();
    let at = unlisted.len() - 22;
    unlisted[at + 8..at + 12].copy_from_slice(&[1, 0, 1, 0]);
    unlisted[at + 12..at + 16].copy_from_slice(&((end - second) as u32).to_le_bytes());
    assert_finding(&unlisted, Verdict::Suspicious, Kind::Archive, "no directory lists");
    assert_dangerous(&unlisted);
    assert_dangerous(&whole[..first]);
}

#[test]
fn archives_within_archives_are_found_behind_anything() {
    let mut inner = [&b"what stands before it"[..], &archive(&[stored("x", &payload())])].concat();
    let comment = inner.len() - 2;
    inner[comment] = 9;
    inner.extend(b"a comment");
    assert_dangerous(&archive(&[stored("a", &inner)]));
    assert_dangerous(&archive(&[deflated("a", &inner)]));
}

#[test]
fn there_are_limits_and_they_are_named() {
    let file = [b"C\x04PK\x03\x040".repeat(10_001), b"N.".to_vec()].concat();
    let pickle = [b"\x80\x03".to_vec(), file].concat();
    assert_finding(&pickle, Verdict::Suspicious, Kind::Limit, "files in its bytes");
    let mut nested = b"N.".to_vec();
    for _ in 0..12 {
        nested = archive(&[stored("a", &nested)]);
    }
    assert_finding(&nested, Verdict::Suspicious, Kind::Limit, "8 files within each other");
    let bomb = archive(&[deflated("m/data.pkl", &vec![b'N'; 70 << 20])]);
    assert_finding(&bomb, Verdict::Suspicious, Kind::Limit, "bytes of a deflated entry");
}

#[test]
fn compressed_streams_are_opened() {
    let deflated = crate::common::zip::deflate(&payload());
    let gzip = [&b"\x1f\x8b\x08\0\0\0\0\0\0\x03"[..], &deflated, &[0; 8]].concat();
    assert_dangerous(&gzip);
    assert_finding(b"BZh91AY&SY", Verdict::Suspicious, Kind::Archive, "compressed by bzip2");
}

#[test]
fn configurations_name_code() {
    for (json, verdict, words) in [
        (r#"{"auto_map": {"AutoModel": "modeling_x.X"}}"#, Verdict::Suspicious, "auto_map: modeling_x.X"),
        (r#"{"trust_remote_code": true}"#, Verdict::Suspicious, "trust_remote_code"),
        (r#"{"x": {"\u0061uto_map": {"a": "b"}}}"#, Verdict::Suspicious, "auto_map"),
        (r#"{"a": NaN, "auto_map": {"a": "b"}}"#, Verdict::Suspicious, "auto_map"),
        (r#"{"_target_": "os.system"}"#, Verdict::Dangerous, "_target_"),
        (r#"{"_target_": "mine.Net"}"#, Verdict::Suspicious, "_target_"),
    ] {
        assert_finding(json.as_bytes(), verdict, Kind::Json, words);
    }
    // Python's json takes it for UTF-16 or UTF-32 by its zeros, in both orders.
    let text = r#" {"auto_map": {"A": "b.C"}}"#;
    let in_16 = |of: fn(u16) -> [u8; 2]| text.encode_utf16().flat_map(of).collect::<Vec<u8>>();
    let in_32 = |of: fn(u32) -> [u8; 4]| text.chars().flat_map(|c| of(c.into())).collect::<Vec<u8>>();
    for bytes in [
        in_16(u16::to_le_bytes),
        in_16(u16::to_be_bytes),
        in_32(u32::to_le_bytes),
        in_32(u32::to_be_bytes),
        [&b"\xff\xfe"[..], &in_16(u16::to_le_bytes)].concat(),
    ] {
        assert_finding(&bytes, Verdict::Suspicious, Kind::Json, "auto_map: b.C");
    }
    for json in [r#"{"a": 1}"#, r#"{"trust_remote_code": false, "auto_map": {}}"#, r#"{"a": NaN}"#, "[]"] {
        assert_verdict(json.as_bytes(), Verdict::Safe);
    }
    assert_finding(br#"{"chat_template": "{{ x.__class__ }}"}"#, Verdict::Dangerous, Kind::Template, "__");
    let header = br#"{"__metadata__":{"auto_map":"{\"a\":\"b\"}"}}"#;
    let file = [&(header.len() as u64).to_le_bytes()[..], header].concat();
    assert_finding(&file, Verdict::Suspicious, Kind::Json, "auto_map");
}

#[test]
fn layers_of_keras_that_hold_code() {
    for (layer, verdict, words) in [
        (
            r#"{"class_name": "Lambda", "config": {"function": ["4wEAAAA=", null, null]}}"#,
            Verdict::Dangerous,
            "Lambda",
        ),
        (
            r#"{"class_name": "Lambda", "config": {"function": {"class_name": "__lambda__", "config": {"code": "4w"}}}}"#,
            Verdict::Dangerous,
            "a function's code",
        ),
        (r#"{"class_name": "Lambda", "config": {"function": "f"}}"#, Verdict::Suspicious, "Lambda"),
        (r#"{"module": "os", "class_name": "system", "config": {}}"#, Verdict::Dangerous, "os.system"),
        (r#"{"module": "mine", "class_name": "Net", "config": {}}"#, Verdict::Suspicious, "mine.Net"),
        (
            r#"{"module": "keras.layers", "class_name": "Net", "registered_name": "Mine>Net", "config": {}}"#,
            Verdict::Suspicious,
            "Mine>Net",
        ),
        (r#"{"class_name": "MyLayer", "config": {}}"#, Verdict::Suspicious, "MyLayer"),
        (
            r#"{"module": "keras.layers", "class_name": "TFSMLayer", "config": {}}"#,
            Verdict::Dangerous,
            "TFSMLayer",
        ),
        (
            r#"{"module": "keras.utils", "class_name": "get_file", "config": {}}"#,
            Verdict::Dangerous,
            "get_file",
        ),
    ] {
        let json = format!(r#"{{"class_name": "Sequential", "config": {{"layers": [{layer}]}}}}"#);
        assert_finding(json.as_bytes(), verdict, Kind::Keras, words);
        let keras = archive(&[stored("config.json", json.as_bytes()), stored("metadata.json", b"{}")]);
        assert_finding(&keras, verdict, Kind::Keras, words);
    }
    // A function of Keras that no model needs is none of those that only compute.
    let function = r#"{"module": "keras.src.backend.common.global_state", "class_name": "function", "config": "set_global_attribute", "registered_name": "function"}"#;
    assert_finding(function.as_bytes(), Verdict::Suspicious, Kind::Keras, "global_state");
    let dense =
        r#"{"class_name": "Sequential", "config": {"layers": [{"class_name": "Dense", "config": {}}]}}"#;
    assert_verdict(dense.as_bytes(), Verdict::Safe);
}

/// A field of protobuf that holds bytes.
fn field(number: u8, bytes: &[u8]) -> Vec<u8> {
    let mut out = vec![number << 3 | 2];
    let mut length = bytes.len();
    while length > 127 {
        out.push(length as u8 | 128);
        length >>= 7;
    }
    out.push(length as u8);
    out.extend(bytes);
    out
}

#[test]
fn graphs_name_operators() {
    let node = |op: &str| [field(1, b"n"), field(2, op.as_bytes())].concat();
    let graph = |op: &str| field(1, &node(op));
    let function = |op: &str| field(2, &field(1, &[field(1, &field(1, b"f")), field(3, &node(op))].concat()));
    assert_verdict(&graph("MatMul"), Verdict::Safe);
    assert_finding(&graph("ReadFile"), Verdict::Dangerous, Kind::TensorFlow, "ReadFile");
    assert_finding(
        &[graph("Add"), function("PyFunc")].concat(),
        Verdict::Dangerous,
        Kind::TensorFlow,
        "PyFunc",
    );
    assert_finding(&graph("MyOp"), Verdict::Suspicious, Kind::TensorFlow, "custom operator");
    assert_verdict(&[graph("f"), function("Add")].concat(), Verdict::Safe);
    let saved = [&b"\x08\x01"[..], &field(2, &field(2, &graph("WriteFile")))].concat();
    assert_finding(&saved, Verdict::Dangerous, Kind::TensorFlow, "WriteFile");
    let metadata = br#"{"class_name": "Lambda", "config": {"function": ["4w", null, null]}}"#;
    let objects = field(7, &field(1, &field(4, &field(3, metadata))));
    let saved = [&b"\x08\x01"[..], &field(2, &[field(2, &graph("Add")), objects].concat())].concat();
    assert_finding(&saved, Verdict::Dangerous, Kind::Keras, "Lambda");

    let onnx = |graph: Vec<u8>| [&b"\x08\x08"[..], &field(7, &graph)].concat();
    let node = |op: &str, domain: &str| [field(4, op.as_bytes()), field(7, domain.as_bytes())].concat();
    assert_verdict(&onnx(field(1, &node("Add", ""))), Verdict::Safe);
    assert_finding(&onnx(field(1, &node("F", "mine"))), Verdict::Suspicious, Kind::Onnx, "mine.F");
    assert_finding(&onnx(field(1, &node("PyOp", ""))), Verdict::Dangerous, Kind::Onnx, "PyOp");
    let inner = field(5, &field(6, &field(1, &node("F", "mine"))));
    assert_finding(
        &onnx(field(1, &[node("If", ""), inner].concat())),
        Verdict::Suspicious,
        Kind::Onnx,
        "mine.F",
    );
    let local = field(1, &node("F", "mine"));
    let functions =
        [&[0xca, 0x01][..], &field(0, &[field(1, b"F"), field(10, b"mine")].concat())[1..]].concat();
    assert_verdict(&[onnx(local), functions].concat(), Verdict::Safe);
    for (location, verdict) in
        [("w.bin", Verdict::Safe), ("../../etc/passwd", Verdict::Dangerous), ("/x", Verdict::Dangerous)]
    {
        let entry = field(13, &[field(1, b"location"), field(2, location.as_bytes())].concat());
        assert_verdict(&onnx(field(5, &entry)), verdict);
    }
}

#[test]
fn templates_of_gguf_are_examined() {
    let text = |text: &str| [&(text.len() as u64).to_le_bytes()[..], text.as_bytes()].concat();
    let gguf = |key: &str, value: &str| {
        let head = [&b"GGUF\x03\0\0\0"[..], &0u64.to_le_bytes(), &2u64.to_le_bytes()].concat();
        let first = [
            text("tokens"),
            9u32.to_le_bytes().to_vec(),
            8u32.to_le_bytes().to_vec(),
            1u64.to_le_bytes().to_vec(),
            text("a"),
        ]
        .concat();
        [head, first, text(key), 8u32.to_le_bytes().to_vec(), text(value)].concat()
    };
    assert_verdict(&gguf("tokenizer.chat_template", "{{ messages[0]['content'] }}"), Verdict::Safe);
    for key in ["tokenizer.chat_template", "tokenizer.chat_template.tool_use"] {
        assert_dangerous(&gguf(key, "{{ ''.__class__.__base__ }}"));
    }
    assert_finding(b"GGUF\x03\0\0\0\x01\0", Verdict::Suspicious, Kind::Unreadable, "metadata");
}

#[test]
fn what_is_no_model_is_not_safe() {
    for file in [&b"hello world"[..], b"", &[7; 64]] {
        assert_ne!(report(file).verdict(), Verdict::Safe);
        assert!(!report(file).findings.is_empty());
    }
    let files = FileSet::from_files(Vec::new());
    assert!(!safety_report(&files, &[("x".into(), "gone".into())], &mut || {}).findings.is_empty());
}

#[test]
fn tensors_are_no_pickles() {
    // Bytes that begin like a pickle by chance: nothing comes of them.
    for start in [&b"\x80\x02"[..], b"\x80\x04\x95", b"c\n", b"\x82\x01", b"cat\ndog\nhen\n", b"(lp0\n"] {
        let bytes: Vec<u8> = start.iter().copied().chain((0..400).map(|n| (n * 37 % 251) as u8)).collect();
        let good = Pickle::new().op(b"}").end();
        assert_verdict(&torch_zip(&good, &[("0", &bytes)]), Verdict::Safe);
    }
}

/// What a report says of its limits.
fn limits(report: &SafetyReport) -> Vec<&str> {
    report.findings.iter().filter(|found| found.kind == Kind::Limit).map(|found| &*found.what).collect()
}

#[test]
fn what_uses_up_a_limit_hides_nothing_behind_it() {
    // No pickle, but as many opcodes as are followed in all files together: what comes behind is not followed.
    let decoy = b"N0".repeat(34 << 20);
    let report = named("model.zip", &archive(&[stored("a", &decoy), stored("b", &payload())]));
    assert!(limits(&report).iter().any(|what| what.contains("opcodes")), "{report:#?}");
}

#[test]
fn long_texts_are_no_place_to_hide() {
    let far = |text: &str| [&b" ".repeat(17 << 20)[..], text.as_bytes()].concat();
    for (name, text) in [("a.yaml", "x: !!python/object:os.system"), ("a.jinja", "{{ x.__class__ }}")] {
        let report = named(name, &far(text));
        assert!(limits(&report)[0].contains("bytes"), "{name}: {report:#?}");
    }
    // Python reads a header of a member however long it is, and takes the member's length from it.
    let records = [&b"1048600 comment="[..], &b"x".repeat(1_048_600 - 16)].concat();
    let mut file = tar(&[("header", &records)]);
    file[156] = b'x';
    file[148..156].fill(b' ');
    let sum: u32 = file[..512].iter().map(|byte| u32::from(*byte)).sum();
    file[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    assert!(limits(&report(&file))[0].contains("extended header"), "{:#?}", report(&file));
}

#[test]
fn many_small_things_take_little_memory_and_time() {
    let start = ProcessorTime::start();
    let json = [&b"{\"auto_map\": ["[..], &b"0,".repeat(16 << 20), b"0]}"].concat();
    let (found, peak) = peak::measure(|| report(&json));
    assert!(limits(&found)[0].contains("values"), "{found:#?}");
    assert!(peak < json.len() + (1 << 20), "{peak}");
    // A graph of empty nodes, each of two bytes, and one of empty meta-graphs.
    let nodes = field(7, &[&field(1, &field(4, b"Add"))[..], &[0x0a, 0].repeat(16 << 20)].concat());
    for (name, graph) in [("a.onnx", nodes), ("a.pb", [0x12, 0].repeat(8 << 20))] {
        let (found, peak) = peak::measure(|| named(name, &graph));
        assert_ne!(found.verdict(), Verdict::Safe, "{name}: {found:#?}");
        assert!(peak < 256 << 20, "{name}: {peak}");
    }
    let template = "{{}}".repeat(200_000);
    assert_eq!(named("a.jinja", template.as_bytes()).verdict(), Verdict::Safe);
    assert!(limits(&named("a.jinja", template.repeat(2).as_bytes()))[0].contains("template"));
    assert!(start.elapsed().as_secs() < 10, "{:?}", start.elapsed());
}

#[test]
fn long_work_looks_for_interrupts() {
    let ticks = |name: &str, file: &[u8]| {
        let mut ticks = 0;
        safety_report(&FileSet::single(name, Box::new(file)), &[], &mut || ticks += 1);
        ticks
    };
    assert!(ticks("a.pkl", &[&b"\x80\x02"[..], &b"N0".repeat(4 << 20), b"N."].concat()) > 50);
    let mut texts = b"GGUF\x03\0\0\0".to_vec();
    texts.extend([0u64.to_le_bytes(), 1u64.to_le_bytes()].concat());
    texts.extend([&1u64.to_le_bytes()[..], b"k", &9u32.to_le_bytes(), &8u32.to_le_bytes()].concat());
    texts.extend([&1_000_000u64.to_le_bytes()[..], &[0; 8_000_000]].concat());
    assert!(ticks("a.gguf", &texts) > 50);
}
