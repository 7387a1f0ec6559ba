//! Builds safetensors files from the text of a header, which need not be true.

/// A file: the header's length, the header, the data.
pub fn file(header: impl AsRef<[u8]>, data: &[u8]) -> Vec<u8> {
    let header = header.as_ref();
    [&(header.len() as u64).to_le_bytes(), header, data].concat()
}

/// The JSON text of one tensor's entry.
pub fn entry(name: &str, dtype: &str, shape: &str, start: u64, end: u64) -> String {
    format!(r#""{name}":{{"dtype":"{dtype}","shape":{shape},"data_offsets":[{start},{end}]}}"#)
}

/// A header of these entries.
pub fn header(entries: &[String]) -> String {
    format!("{{{}}}", entries.join(","))
}

/// A file with one tensor of four F32 in it.
pub fn one(name: &str) -> Vec<u8> {
    file(header(&[entry(name, "F32", "[4]", 0, 16)]), &[7; 16])
}

/// The index of a sharded model.
pub fn index(tensors: &[(&str, &str)]) -> Vec<u8> {
    let map: Vec<String> = tensors.iter().map(|(tensor, file)| format!(r#""{tensor}":"{file}""#)).collect();
    format!(r#"{{"metadata":{{"total_size":32}},"weight_map":{{{}}}}}"#, map.join(",")).into_bytes()
}

/// A file of these entries over so many bytes of data.
pub fn with(entries: &[String], data: usize) -> Vec<u8> {
    file(header(entries), &vec![7; data])
}

/// A file with something of everything, and where its header ends.
pub fn rich() -> (usize, Vec<u8>) {
    let header = header(&[
        r#""__metadata__":{"format":"pt","note":"gr\u00fc\u00dfe\n"}"#.into(),
        entry("model.layers.1.b", "F16", "[2,3]", 16, 28),
        entry("model.layers.0.a", "F32", "[4]", 0, 16),
        entry("none", "I64", "[0,5]", 28, 28),
        entry("scalar", "U8", "[]", 28, 29),
        entry("nibbles", "F4", "[3,2]", 29, 32),
    ]);
    let bytes = file(&header, &super::noise(2, 32));
    (8 + header.len(), bytes)
}
