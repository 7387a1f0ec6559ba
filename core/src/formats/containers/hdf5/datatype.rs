//! Data types: which of them are weights, and in what byte order they stand.
//! Source: HDF5 File Format Specification, IV.A.2.d.

use super::datatype_class::Datatype;
use super::file::{Fields, File};
use super::object::{self, Message, Object, kind};
use crate::dtype::Dtype;
use crate::formats::error::{ParseError, malformed, unsupported};

/// Binary floating point: bytes, then positions and sizes in bits: sign, exponent, its size, mantissa,
/// its size; and the exponent's bias.
const FLOATS: [(u32, [u8; 5], u32, Dtype); 6] = [
    (4, [31, 23, 8, 0, 23], 127, Dtype::F32),
    (8, [63, 52, 11, 0, 52], 1023, Dtype::F64),
    (2, [15, 10, 5, 0, 10], 15, Dtype::F16),
    (2, [15, 7, 8, 0, 7], 127, Dtype::BF16),
    (1, [7, 3, 4, 0, 3], 7, Dtype::F8_E4M3),
    (1, [7, 2, 5, 0, 2], 15, Dtype::F8_E5M2),
];
/// A mantissa whose leading one is not stored.
const IMPLIED_ONE: u8 = 2;

/// The data type in an object's message, which may be a reference to a named one.
pub(super) fn of_message(file: &mut File, message: &Message) -> Result<Datatype, ParseError> {
    if !message.is_shared() {
        return parse(&mut Fields::new(&message.body, file.widths, "a data type"), 0);
    }
    shared(file, &message.body)
}

/// The data type that a shared message's body refers to.
pub(super) fn shared(file: &mut File, body: &[u8]) -> Result<Datatype, ParseError> {
    let address = shared_address(file, body)?;
    named(file, address)
}

/// The object that a shared message's body refers to.
fn shared_address(file: &File, body: &[u8]) -> Result<u64, ParseError> {
    /// The message stands in the object header of a named data type.
    const NAMED: u8 = 2;
    let mut fields = Fields::new(body, file.widths, "a reference to a data type");
    let version = fields.version(1, 3)?;
    let place = fields.u8()?;
    if version == 3 && place != NAMED {
        return Err(unsupported!("messages shared through a heap of the file are not supported"));
    }
    if version == 1 {
        fields.skip(6)?;
    }
    fields.defined()
}

/// The data type that is named at an address. Many datasets may refer to it.
fn named(file: &mut File, address: u64) -> Result<Datatype, ParseError> {
    if let Some(known) = file.named_types.get(&address) {
        return Ok(known.clone());
    }
    let object = object::read(file, address)?;
    remember(file, address, &object)
}

/// Reads the data type of an object that is nothing else, and keeps it for whoever refers to it.
pub(super) fn remember(file: &mut File, address: u64, object: &Object) -> Result<Datatype, ParseError> {
    let message = object
        .find(kind::DATATYPE)
        .filter(|message| !message.is_shared())
        .ok_or_else(|| malformed!("no data type is named at address {address}"))?;
    let datatype = parse(&mut Fields::new(&message.body, file.widths, "a data type"), 0)?;
    file.named_types.insert(address, datatype.clone());
    Ok(datatype)
}

/// One data type; the fields then stand behind it, if it is a number.
pub(super) fn parse(fields: &mut Fields, depth: u32) -> Result<Datatype, ParseError> {
    let class = fields.u8()?;
    let (version, class) = (class >> 4, class & 0x0f);
    if !(1..=5).contains(&version) {
        return Err(unsupported!("a data type has version {version} (versions 1 to 5 are supported)"));
    }
    let bits: [u8; 3] = [fields.u8()?, fields.u8()?, fields.u8()?];
    let size = fields.u32()?;
    if size == 0 {
        return Err(malformed!("a data type of class {class} has 0 bytes"));
    }
    let other = |what| Ok(Datatype::Other { size, what });
    match class {
        0 => Ok(integer(fields, bits, size)?.unwrap_or(Datatype::Other { size, what: "integers" })),
        1 => {
            Ok(float(fields, bits, size)?.unwrap_or(Datatype::Other { size, what: "floating-point numbers" }))
        }
        2 => other("times"),
        3 => Ok(Datatype::Text { size }),
        4 => other("bit fields"),
        5 => Ok(Datatype::Opaque { size }),
        6 if depth == 0 => {
            let complex = compound(fields, version, bits, size)?;
            Ok(complex.unwrap_or(Datatype::Other { size, what: "compound values" }))
        }
        6 => other("compound values"),
        7 => other("references"),
        8 if depth == 0 => {
            let number = enumeration(fields, version, bits, size)?;
            Ok(number.unwrap_or(Datatype::Other { size, what: "enumerated values" }))
        }
        8 => other("enumerated values"),
        9 if bits[0] & 0x0f == 1 => Ok(Datatype::VariableText),
        9 => other("sequences of any length"),
        10 => other("arrays"),
        11 if depth == 0 => {
            let part = parse(fields, 1)?;
            Ok(complex_of(&part, size).unwrap_or(Datatype::Other { size, what: "complex numbers" }))
        }
        _ => other("values of an unknown class"),
    }
}

fn integer(fields: &mut Fields, bits: [u8; 3], size: u32) -> Result<Option<Datatype>, ParseError> {
    let (offset, precision) = (fields.u16()?, fields.u16()?);
    let signed = bits[0] & 0x08 != 0;
    let dtype = match (size, signed) {
        (1, true) => Dtype::I8,
        (2, true) => Dtype::I16,
        (4, true) => Dtype::I32,
        (8, true) => Dtype::I64,
        (1, false) => Dtype::U8,
        (2, false) => Dtype::U16,
        (4, false) => Dtype::U32,
        (8, false) => Dtype::U64,
        _ => return Ok(None),
    };
    let whole = offset == 0 && u64::from(precision) == 8 * u64::from(size);
    Ok(whole.then(|| Datatype::Number { dtype, swap: swap(bits, size) }))
}

fn float(fields: &mut Fields, bits: [u8; 3], size: u32) -> Result<Option<Datatype>, ParseError> {
    let (offset, precision) = (fields.u16()?, fields.u16()?);
    let places = fields.take(4)?;
    let bias = fields.u32()?;
    let layout = [bits[1], places[0], places[1], places[2], places[3]];
    // Bit 6 stands for the mixed byte order of a VAX.
    let whole = offset == 0 && u64::from(precision) == 8 * u64::from(size) && bits[0] & 0x40 == 0;
    if !whole || (bits[0] >> 4) & 3 != IMPLIED_ONE {
        return Ok(None);
    }
    let known = FLOATS.iter().find(|row| (row.0, row.1, row.2) == (size, layout, bias));
    Ok(known.map(|row| Datatype::Number { dtype: row.3, swap: swap(bits, size) }))
}

fn swap(bits: [u8; 3], size: u32) -> usize {
    if bits[0] & 1 != 0 { size as usize } else { 1 }
}

/// Complex numbers are two floats, the real part first.
fn complex_of(part: &Datatype, size: u32) -> Option<Datatype> {
    let (dtype, swap) = match part {
        Datatype::Number { dtype: Dtype::F32, swap } => (Dtype::C64, *swap),
        Datatype::Number { dtype: Dtype::F64, swap } => (Dtype::C128, *swap),
        _ => return None,
    };
    (dtype.info().block_bytes == size).then_some(Datatype::Number { dtype, swap })
}

/// A compound of two equal floats, called `r` and `i`, is how numpy's complex numbers are written.
fn compound(
    fields: &mut Fields,
    version: u8,
    bits: [u8; 3],
    size: u32,
) -> Result<Option<Datatype>, ParseError> {
    if u16::from_le_bytes([bits[0], bits[1]]) != 2 {
        return Ok(None);
    }
    let mut first: Option<Datatype> = None;
    for expected in [&b"r"[..], b"i"] {
        let before = fields.position();
        let name = fields.text()?;
        let offset = if version < 3 {
            pad(fields, before)?;
            fields.u32()?
        } else {
            fields.uint(offset_width(size))? as u32
        };
        if version == 1 {
            let dimensions = fields.u8()?;
            fields.skip(3 + 4 + 4 + 16)?;
            if dimensions != 0 {
                return Ok(None);
            }
        }
        let part = parse(fields, 1)?;
        let wanted = if first.is_none() { 0 } else { size / 2 };
        let is_number = matches!(part, Datatype::Number { .. });
        if name != expected || offset != wanted || !is_number || first.as_ref().is_some_and(|it| *it != part)
        {
            return Ok(None);
        }
        first = Some(part);
    }
    Ok(first.and_then(|part| complex_of(&part, size)))
}

/// Bytes of a member's offset from version 3 on: as few as hold the compound's size.
fn offset_width(size: u32) -> usize {
    (size.ilog2() / 8 + 1) as usize
}

/// Up to version 2, names are padded to a multiple of eight bytes.
fn pad(fields: &mut Fields, start: usize) -> Result<(), ParseError> {
    fields.skip((fields.position() - start).next_multiple_of(8) - (fields.position() - start))
}

/// An enumeration is its integers; the one of FALSE and TRUE is how numpy's booleans are written.
fn enumeration(
    fields: &mut Fields,
    version: u8,
    bits: [u8; 3],
    size: u32,
) -> Result<Option<Datatype>, ParseError> {
    let base = parse(fields, 1)?;
    if base.size() != u64::from(size) || !matches!(base, Datatype::Number { .. }) {
        return Ok(None);
    }
    if u16::from_le_bytes([bits[0], bits[1]]) != 2 || size != 1 {
        return Ok(Some(base));
    }
    let mut names = [&b""[..]; 2];
    for name in &mut names {
        let before = fields.position();
        *name = fields.text()?;
        if version < 3 {
            pad(fields, before)?;
        }
    }
    let is_boolean = names == [&b"FALSE"[..], b"TRUE"] && fields.take(2)? == [0, 1];
    Ok(Some(if is_boolean { Datatype::Number { dtype: Dtype::BOOL, swap: 1 } } else { base }))
}
