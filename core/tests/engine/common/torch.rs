//! Pickles opcode by opcode, and torch's archives and legacy files around them.

use super::zip::{archive, stored};

/// A pickle that is being written.
#[derive(Clone, Default)]
pub struct Pickle(pub Vec<u8>);

impl Pickle {
    /// Of protocol 2, which torch writes.
    pub fn new() -> Self {
        Self(vec![0x80, 2])
    }

    pub fn op(mut self, bytes: impl AsRef<[u8]>) -> Self {
        self.0.extend(bytes.as_ref());
        self
    }

    pub fn text(self, text: &str) -> Self {
        self.op(b"X").op((text.len() as u32).to_le_bytes()).op(text)
    }

    pub fn int(self, number: i64) -> Self {
        match i32::try_from(number) {
            Ok(small) => self.op(b"J").op(small.to_le_bytes()),
            Err(_) => self.op(b"\x8a\x08").op(number.to_le_bytes()),
        }
    }

    pub fn global(self, module: &str, name: &str) -> Self {
        self.op(format!("c{module}\n{name}\n"))
    }

    pub fn ints(self, numbers: &[i64]) -> Self {
        numbers.iter().fold(self.op(b"("), |pickle, number| pickle.int(*number)).op(b"t")
    }

    /// A storage, by its persistent id.
    pub fn storage(self, class: &str, key: &str, count: i64) -> Self {
        let (module, name) = class.rsplit_once('.').unwrap_or(("torch", class));
        self.op(b"(").text("storage").global(module, name).text(key).text("cpu").int(count).op(b"tQ")
    }

    /// A tensor: `_rebuild_tensor_v2`.
    pub fn tensor(
        self,
        class: &str,
        key: &str,
        count: i64,
        first: i64,
        shape: &[i64],
        strides: &[i64],
    ) -> Self {
        let pickle = self.global("torch._utils", "_rebuild_tensor_v2").op(b"(").storage(class, key, count);
        pickle
            .int(first)
            .ints(shape)
            .ints(strides)
            .op(b"\x89")
            .global("collections", "OrderedDict")
            .op(b")RtR")
    }

    /// A vector of floats that is a storage of its own.
    pub fn floats(self, key: &str, count: i64) -> Self {
        self.tensor("FloatStorage", key, count, 0, &[count], &[1])
    }

    pub fn end(self) -> Vec<u8> {
        self.op(b".").0
    }
}

/// A dictionary of what `fill` adds: pairs of keys and values.
pub fn dict(fill: impl FnOnce(Pickle) -> Pickle) -> Vec<u8> {
    fill(Pickle::new().op(b"}(")).op(b"u").end()
}

/// torch's archive of a pickle and its storages.
pub fn torch_zip(pickle: &[u8], storages: &[(&str, &[u8])]) -> Vec<u8> {
    let mut entries = vec![stored("model/data.pkl", pickle)];
    entries.extend(storages.iter().map(|(key, bytes)| stored(&format!("model/data/{key}"), bytes)));
    entries.push(stored("model/version", b"3\n"));
    archive(&entries)
}

/// What legacy files start with.
pub fn legacy_head() -> Vec<u8> {
    let magic = b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.";
    [&magic[..], b"\x80\x02M\xe9\x03.", b"\x80\x02}."].concat()
}

/// A legacy file: storages with their numbers of elements.
pub fn legacy(pickle: &[u8], storages: &[(&str, u64, &[u8])]) -> Vec<u8> {
    let keys = storages.iter().fold(Pickle::new().op(b"]("), |pickle, (key, ..)| pickle.text(key));
    let mut file = [legacy_head(), pickle.to_vec(), keys.op(b"e").end()].concat();
    for (_, count, bytes) in storages {
        file.extend(count.to_le_bytes());
        file.extend(*bytes);
    }
    file
}
