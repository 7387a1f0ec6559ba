//! Builds GGUF files byte by byte, also ones that lie.

/// The number of a type, and the bytes of a value.
#[derive(Debug, Clone)]
pub struct Val {
    pub type_id: u32,
    pub bytes: Vec<u8>,
}

pub fn val(type_id: u32, bytes: impl Into<Vec<u8>>) -> Val {
    Val { type_id, bytes: bytes.into() }
}

/// A length and that many bytes.
pub fn string(bytes: impl AsRef<[u8]>) -> Vec<u8> {
    let bytes = bytes.as_ref();
    [&(bytes.len() as u64).to_le_bytes(), bytes].concat()
}

pub fn text(bytes: impl AsRef<[u8]>) -> Val {
    val(8, string(bytes))
}

pub fn u32(value: u32) -> Val {
    val(4, value.to_le_bytes())
}

pub fn u16(value: u16) -> Val {
    val(2, value.to_le_bytes())
}

/// An array whose count says what the caller wants.
pub fn array_of(element_type: u32, count: u64, elements: &[u8]) -> Val {
    val(9, [&element_type.to_le_bytes(), &count.to_le_bytes()[..], elements].concat())
}

/// An array of values of one type.
pub fn array(element_type: u32, elements: &[Val]) -> Val {
    assert!(elements.iter().all(|value| value.type_id == element_type));
    let bytes: Vec<u8> = elements.iter().flat_map(|value| value.bytes.clone()).collect();
    array_of(element_type, elements.len() as u64, &bytes)
}

/// One tensor's entry, with the dimensions as they stand in the file: innermost first.
#[derive(Debug, Clone)]
pub struct Entry {
    pub name: Vec<u8>,
    pub dims: Vec<u64>,
    /// A number of dimensions that is not the true one.
    pub claimed_dims: Option<u32>,
    pub type_id: u32,
    pub offset: u64,
}

pub fn entry(name: impl Into<Vec<u8>>, dims: &[u64], type_id: u32, offset: u64) -> Entry {
    Entry { name: name.into(), dims: dims.into(), claimed_dims: None, type_id, offset }
}

/// A whole file.
#[derive(Debug, Clone)]
pub struct Gguf {
    pub magic: [u8; 4],
    pub version: u32,
    pub claimed_tensors: Option<u64>,
    pub claimed_keys: Option<u64>,
    pub keys: Vec<(Vec<u8>, Val)>,
    pub tensors: Vec<Entry>,
    /// Where the data is padded to; independent of what the metadata says.
    pub alignment: usize,
    pub data: Vec<u8>,
}

impl Gguf {
    pub fn new() -> Self {
        Self {
            magic: *b"GGUF",
            version: 3,
            claimed_tensors: None,
            claimed_keys: None,
            keys: Vec::new(),
            tensors: Vec::new(),
            alignment: 32,
            data: Vec::new(),
        }
    }

    pub fn key(mut self, key: impl AsRef<[u8]>, value: Val) -> Self {
        self.keys.push((key.as_ref().to_vec(), value));
        self
    }

    pub fn tensor(mut self, tensor: Entry) -> Self {
        self.tensors.push(tensor);
        self
    }

    pub fn data(mut self, data: impl Into<Vec<u8>>) -> Self {
        self.data = data.into();
        self
    }

    pub fn aligned(mut self, alignment: u32) -> Self {
        self.alignment = alignment as usize;
        self.key("general.alignment", u32(alignment))
    }

    /// The header's bytes, up to the padding.
    pub fn header(&self) -> Vec<u8> {
        let mut out = self.magic.to_vec();
        out.extend(self.version.to_le_bytes());
        out.extend(self.claimed_tensors.unwrap_or(self.tensors.len() as u64).to_le_bytes());
        out.extend(self.claimed_keys.unwrap_or(self.keys.len() as u64).to_le_bytes());
        for (key, value) in &self.keys {
            out.extend(string(key));
            out.extend(value.type_id.to_le_bytes());
            out.extend(&value.bytes);
        }
        for tensor in &self.tensors {
            out.extend(string(&tensor.name));
            out.extend(tensor.claimed_dims.unwrap_or(tensor.dims.len() as u32).to_le_bytes());
            out.extend(tensor.dims.iter().flat_map(|extent| extent.to_le_bytes()));
            out.extend(tensor.type_id.to_le_bytes());
            out.extend(tensor.offset.to_le_bytes());
        }
        out
    }

    /// Where the data starts.
    pub fn data_start(&self) -> usize {
        self.header().len().next_multiple_of(self.alignment)
    }

    pub fn build(&self) -> Vec<u8> {
        let mut out = self.header();
        out.resize(self.data_start(), 0);
        out.extend(&self.data);
        out
    }
}

/// One tensor of 16 bytes at offset 0: a file in which one thing at a time is made wrong.
pub fn plain() -> Gguf {
    Gguf::new().tensor(entry("t", &[4], 0, 0)).data([7; 16])
}

/// A plain file with one key more.
pub fn with_key(value: Val) -> Vec<u8> {
    plain().key("k", value).build()
}

/// A file with something of everything; its last byte belongs to a tensor.
pub fn rich() -> Gguf {
    let words: Vec<_> = (0..40).map(|i| text(format!("word {i}"))).collect();
    let inner = [array(0, &[val(0, [1]), val(0, [2])]), array(0, &[])];
    Gguf::new()
        .key("general.architecture", text("llama"))
        .aligned(64)
        .key("u8", val(0, [255]))
        .key("i8", val(1, [255]))
        .key("u16", u16(65_535))
        .key("i16", val(3, (-2i16).to_le_bytes()))
        .key("i32", val(5, (-3i32).to_le_bytes()))
        .key("f32", val(6, 0.1f32.to_le_bytes()))
        .key("bool", val(7, [1]))
        .key("text", text("grüße"))
        .key("u64", val(10, u64::MAX.to_le_bytes()))
        .key("i64", val(11, i64::MIN.to_le_bytes()))
        .key("f64", val(12, 1e300f64.to_le_bytes()))
        .key("words", array(8, &words))
        .key("scores", array_of(6, 50, &[0; 200]))
        .key("nested", array(9, &inner))
        .tensor(entry("blk.0.attn_q.weight", &[64, 3], 2, 128))
        .tensor(entry("empty", &[0, 7], 0, 64))
        .tensor(entry("scalar", &[], 0, 0))
        .tensor(entry("cube", &[2, 3, 4, 5], 1, 256))
        .data(super::noise(1, 256 + 240))
}
