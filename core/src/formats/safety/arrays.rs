//! Arrays of NumPy: one of objects is a pickle behind a header. How the header says so is left to NumPy: whatever is
//! not surely a plain type may hold objects, and a pickle is looked for behind every header.
//! Sources: `numpy/lib/format.py`; the ways to write a type are in NumPy's "Data type objects".

use super::pickles::Behind;
use super::report::{Kind, Verdict};
use super::state::{Nature, Walk};
use crate::source::{Source, SourceError};

const MAGIC: &[u8] = b"\x93NUMPY";
/// Longest header that is read. NumPy reads 10,000 bytes of a file that is not trusted.
const MAX_HEADER: u64 = 1 << 20;

/// True for the beginning of an array's file.
pub(super) fn is_array(head: &[u8]) -> bool {
    head.starts_with(MAGIC)
}

impl Walk<'_> {
    /// Examines an array's file.
    pub(super) fn array(
        &mut self,
        source: &dyn Source,
        place: &str,
        depth: usize,
    ) -> Result<(), SourceError> {
        let mut fixed = [0; 12];
        let known = source.len().min(fixed.len() as u64) as usize;
        source.read_at(0, &mut fixed[..known])?;
        let (start, length) = match fixed[6] {
            1 => (10, u64::from(u16::from_le_bytes([fixed[8], fixed[9]]))),
            _ => (12, u64::from(u32::from_le_bytes([fixed[8], fixed[9], fixed[10], fixed[11]]))),
        };
        if length > MAX_HEADER || source.len().saturating_sub(start) < length {
            self.unreadable(place, &format!("the array's header of {length} bytes is too long"));
            return Ok(());
        }
        let mut header = vec![0; length as usize];
        source.read_at(start, &mut header)?;
        let header = String::from_utf8_lossy(&header);
        match type_of(&header) {
            Type::Plain => {
                self.pickles(source, start + length, place, Nature::Data, depth, Behind::Data)?;
            }
            Type::Objects => {
                let found =
                    self.pickles(source, start + length, place, Nature::Pickle, depth, Behind::Nothing)?;
                if !found {
                    self.unreadable(place, &"the array of objects has no pickle");
                }
            }
            Type::Unknown(what) => {
                let why = "the array's type is not known to be without objects, which are pickled";
                self.findings.add(Verdict::Suspicious, Kind::Pickle, place, &what, why);
                self.pickles(source, start + length, place, Nature::Data, depth, Behind::Nothing)?;
            }
        }
        Ok(())
    }
}

#[derive(Debug, PartialEq)]
enum Type {
    Plain,
    Objects,
    Unknown(String),
}

/// What the type in an array's header is, by the texts that stand in it.
fn type_of(header: &str) -> Type {
    let Some(key) = header.find("descr") else { return Type::Unknown("a header without a type".into()) };
    let rest =
        header[key + 5..].trim_start_matches(['\'', '"']).trim_start().trim_start_matches(':').trim_start();
    let Some(value) = value_of(rest) else { return Type::Unknown("a type that is not read".into()) };
    if !value.starts_with('[') && !value.starts_with('(') {
        return match texts(value) {
            Some(texts) if texts.len() == 1 => spelled(&texts[0]),
            _ => Type::Unknown(format!("the type {value}")),
        };
    }
    record(value)
}

/// The value at the beginning of a text, up to the comma or bracket that ends it.
fn value_of(text: &str) -> Option<&str> {
    let (mut depth, mut quote) = (0i32, None);
    let mut escaped = false;
    for (position, c) in text.char_indices() {
        match (quote, c) {
            (Some(_), _) if escaped => escaped = false,
            (Some(_), '\\') => escaped = true,
            (Some(open), c) if c == open => quote = None,
            (Some(_), _) => {}
            (None, '\'' | '"') => quote = Some(c),
            (None, '[' | '(' | '{') => depth += 1,
            (None, ']' | ')' | '}' | ',') if depth == 0 => return Some(text[..position].trim()),
            (None, ']' | ')' | '}') => depth -= 1,
            _ => {}
        }
    }
    None
}

/// The texts in quotes; none where one has an escape, which no writer of types needs.
fn texts(value: &str) -> Option<Vec<String>> {
    let mut texts = Vec::new();
    let mut rest = value;
    while let Some(start) = rest.find(['\'', '"']) {
        let quote = rest[start..].chars().next()?;
        let inner = &rest[start + 1..];
        let end = inner.find(quote)?;
        if inner[..end].contains('\\') {
            return None;
        }
        texts.push(inner[..end].to_owned());
        rest = &inner[end + 1..];
    }
    Some(texts)
}

/// A record: a list of `(name, type)` or `(name, type, shape)`, where a type may be a record, too. Any text that is a
/// type of objects counts, also a name: who calls a field `O` has a report that says more than it must.
fn record(value: &str) -> Type {
    let Some(texts) = texts(value) else { return Type::Unknown("a type with escapes".into()) };
    let mut unknown = None;
    for field in fields(value) {
        match spelled(&field) {
            Type::Plain => {}
            Type::Objects => return Type::Objects,
            other => unknown = Some(other),
        }
    }
    let is_object = |text: &String| {
        let code = text.trim_start_matches(['<', '>', '=', '|']);
        ["O", "O4", "O8", "object", "object_"].contains(&code)
            || (text.contains(',') && spelled(text) == Type::Objects)
    };
    if texts.iter().any(is_object) {
        return Type::Objects;
    }
    unknown.unwrap_or(Type::Plain)
}

/// The texts of a record that stand where types do: each that follows another text and a comma.
fn fields(value: &str) -> Vec<String> {
    let mut types = Vec::new();
    let (mut rest, mut before_is_text) = (value, false);
    while let Some(start) = rest.find(['\'', '"']) {
        let between = rest[..start].trim();
        let quote = rest[start..].chars().next().unwrap_or('\'');
        let inner = &rest[start + 1..];
        let Some(end) = inner.find(quote) else { break };
        // A field's name follows a bracket; with a title it is a tuple of two texts.
        if before_is_text && between == "," {
            types.push(inner[..end].to_owned());
        }
        before_is_text = true;
        rest = &inner[end + 1..];
        if rest.trim_start().starts_with(')') && between.ends_with(',') {
            before_is_text = false;
        }
    }
    types
}

/// What a type is by its spelling: one code, or several between commas, each with a shape before it.
fn spelled(text: &str) -> Type {
    let without_shapes = strip_shapes(text);
    let mut parts =
        without_shapes.split(',').map(|part| part.trim().trim_start_matches(['<', '>', '=', '|', '~']));
    let mut unknown = false;
    for part in parts.by_ref() {
        let part = part.trim_start_matches(|c: char| c.is_ascii_digit() || c.is_whitespace());
        let part = part.trim_start_matches(['<', '>', '=', '|']);
        if part.starts_with('O') || part.to_ascii_lowercase().starts_with("object") {
            return Type::Objects;
        }
        unknown |= !is_plain(part);
    }
    if unknown { Type::Unknown(format!("the type {text}")) } else { Type::Plain }
}

fn strip_shapes(text: &str) -> String {
    let mut depth = 0u32;
    text.chars()
        .filter(|c| {
            match c {
                '(' => depth += 1,
                ')' => {
                    depth = depth.saturating_sub(1);
                    return false;
                }
                _ => {}
            }
            depth == 0
        })
        .collect()
}

/// True for a code or a name of a type without objects.
fn is_plain(part: &str) -> bool {
    const NAMES: &[&str] = &[
        "bool",
        "int8",
        "int16",
        "int32",
        "int64",
        "uint8",
        "uint16",
        "uint32",
        "uint64",
        "float16",
        "float32",
        "float64",
        "float128",
        "longdouble",
        "complex64",
        "complex128",
        "complex256",
        "int",
        "uint",
        "float",
        "complex",
        "half",
        "single",
        "double",
        "str",
        "bytes",
        "void",
        "bfloat16",
        "float8_e4m3fn",
        "float8_e5m2",
        "float8_e4m3fnuz",
        "float8_e5m2fnuz",
        "float8_e4m3b11fnuz",
        "int4",
        "uint4",
    ];
    let mut chars = part.chars();
    let is_code = match chars.next() {
        Some('m' | 'M') => {
            let unit = chars.as_str().trim_start_matches(|c: char| c.is_ascii_digit());
            unit.is_empty() || (unit.starts_with('[') && unit.ends_with(']'))
        }
        Some(code) => "?bBhHiIlLqQpPnNefdgFDGSUVacu".contains(code) && chars.all(|c| c.is_ascii_digit()),
        None => false,
    };
    is_code || NAMES.contains(&part)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(descr: &str) -> Type {
        type_of(&format!("{{'descr': {descr}, 'fortran_order': False, 'shape': (3,), }}"))
    }

    #[test]
    fn objects_are_known_in_every_spelling() {
        for descr in [
            "'O'",
            "'|O'",
            "'|O8'",
            "'object'",
            "\"O\"",
            "'object_'",
            "'<O'",
            "'i4,O'",
            "'2O'",
            "'(2,3)O'",
            "'f4, (2,)O8'",
            "[('a', '<f4'), ('b', '|O')]",
            "[('a', [('b', 'O')])]",
            "[(('title', 'a'), 'O')]",
            "[('a', 'O', (2,))]",
            "('O', (2,))",
            "[('x', 'i4'), ('y', 'i2,O')]",
            "[('', '|O8')]",
        ] {
            assert_eq!(of(descr), Type::Objects, "{descr}");
        }
    }

    #[test]
    fn plain_types_are_no_objects() {
        for descr in [
            "'<f4'",
            "'<u2'",
            "'|b1'",
            "'<U10'",
            "'|S3'",
            "'<M8[ns]'",
            "'|V2'",
            "[('a', '<f4'), ('b', '<i8', (2, 3))]",
            "[('a', [('b', '<f4')])]",
            "'float32'",
            "'i4,f8'",
            "('<f4', (2,))",
        ] {
            assert_eq!(of(descr), Type::Plain, "{descr}");
        }
    }

    #[test]
    fn other_types_are_not_known() {
        for descr in ["'\\x4f'", "'T'", "'StringDType'", "None", "['a'", "'X4'"] {
            assert!(matches!(of(descr), Type::Unknown(_)), "{descr}");
        }
        assert!(matches!(type_of("{}"), Type::Unknown(_)));
    }
}
