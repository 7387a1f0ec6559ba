//! Object headers, versions 1 and 2: the list of messages that describe a group or a dataset.
//! Source: HDF5 File Format Specification, IV.A.1.

use super::file::{Fields, File};
use crate::formats::error::{ParseError, malformed, unsupported};

/// Numbers of messages that are read.
pub(super) mod kind {
    pub(in crate::formats::containers::hdf5) const DATASPACE: u16 = 0x01;
    pub(in crate::formats::containers::hdf5) const LINK_INFO: u16 = 0x02;
    pub(in crate::formats::containers::hdf5) const DATATYPE: u16 = 0x03;
    pub(in crate::formats::containers::hdf5) const OLD_FILL: u16 = 0x04;
    pub(in crate::formats::containers::hdf5) const FILL: u16 = 0x05;
    pub(in crate::formats::containers::hdf5) const LINK: u16 = 0x06;
    pub(in crate::formats::containers::hdf5) const EXTERNAL_FILES: u16 = 0x07;
    pub(in crate::formats::containers::hdf5) const LAYOUT: u16 = 0x08;
    pub(in crate::formats::containers::hdf5) const GROUP_INFO: u16 = 0x0a;
    pub(in crate::formats::containers::hdf5) const FILTERS: u16 = 0x0b;
    pub(in crate::formats::containers::hdf5) const ATTRIBUTE: u16 = 0x0c;
    pub(in crate::formats::containers::hdf5) const CONTINUATION: u16 = 0x10;
    pub(in crate::formats::containers::hdf5) const SYMBOL_TABLE: u16 = 0x11;
    pub(in crate::formats::containers::hdf5) const DRIVER_INFO: u16 = 0x14;
    pub(in crate::formats::containers::hdf5) const ATTRIBUTE_INFO: u16 = 0x15;
    pub(in crate::formats::containers::hdf5) const REFERENCES: u16 = 0x16;
    /// The last one that exists.
    pub(in crate::formats::containers::hdf5) const LAST: u16 = 0x17;
}

/// The body is a reference to a message elsewhere.
const SHARED: u8 = 0x02;
/// A reader that does not know the message must refuse the object.
const MUST_BE_KNOWN: u8 = 0x80;

/// One message.
#[derive(Debug)]
pub(super) struct Message {
    pub(super) kind: u16,
    flags: u8,
    /// Where the body stands.
    pub(super) address: u64,
    pub(super) body: Vec<u8>,
}

impl Message {
    /// True when the body is only a reference.
    pub(super) fn is_shared(&self) -> bool {
        self.flags & SHARED != 0
    }
}

/// A group, a dataset or a named data type.
#[derive(Debug)]
pub(super) struct Object {
    pub(super) messages: Vec<Message>,
    /// How many hard links lead to it.
    pub(super) references: u32,
}

impl Object {
    /// The first message of a kind.
    pub(super) fn find(&self, kind: u16) -> Option<&Message> {
        self.messages.iter().find(|message| message.kind == kind)
    }
}

/// Reads the header at an address, with all of its continuations.
pub(super) fn read(file: &mut File, address: u64) -> Result<Object, ParseError> {
    file.claim(address, "an object header")?;
    let start = file.read(address, 4, "an object header")?;
    let mut object = if start == b"OHDR" { version_2(file, address)? } else { version_1(file, address)? };
    if let Some(message) = object.find(kind::REFERENCES) {
        let mut fields = Fields::new(&message.body, file.widths, "a reference count");
        fields.version(0, 0)?;
        object.references = fields.u32()?;
    }
    for message in &object.messages {
        if message.kind > kind::LAST && message.flags & MUST_BE_KNOWN != 0 {
            return Err(unsupported!(
                "the object header at address {address} has a message of the unknown type {}, which must be understood",
                message.kind
            ));
        }
    }
    Ok(object)
}

fn version_1(file: &mut File, address: u64) -> Result<Object, ParseError> {
    const PREFIX: u64 = 16;
    let bytes = file.read(address, PREFIX, "an object header")?;
    let mut fields = Fields::new(&bytes, file.widths, "an object header");
    fields.version(1, 1)?;
    fields.skip(3)?; // reserved, number of messages
    let references = fields.u32()?;
    let length = fields.u32()?;
    let mut messages = Vec::new();
    let mut blocks = vec![(address.saturating_add(PREFIX), u64::from(length))];
    while let Some((address, length)) = blocks.pop() {
        let bytes = file.read(address, length, "a block of an object header")?;
        let mut fields = Fields::new(&bytes, file.widths, "a block of an object header");
        while fields.left() > 0 {
            let kind = fields.u16()?;
            let length = usize::from(fields.u16()?);
            let flags = fields.u8()?;
            fields.skip(3)?;
            if length % 8 != 0 {
                return Err(malformed!(
                    "a message of type {kind} in the object header at address {address} has {length} bytes, which is not a multiple of 8"
                ));
            }
            let body = (address + fields.position() as u64, fields.take(length)?);
            add(file, &mut messages, &mut blocks, kind, flags, body)?;
        }
    }
    Ok(Object { messages, references })
}

fn version_2(file: &mut File, address: u64) -> Result<Object, ParseError> {
    let bytes = file.read(address, 6, "an object header")?;
    let mut fields = Fields::new(&bytes, file.widths, "an object header");
    fields.signature(b"OHDR")?;
    fields.version(2, 2)?;
    let flags = fields.u8()?;
    let has_order = flags & 0x04 != 0;
    let width = 1_usize << (flags & 3);
    let times = if flags & 0x20 != 0 { 16 } else { 0 };
    let attributes = if flags & 0x10 != 0 { 4 } else { 0 };
    let prefix = 6 + times + attributes + width;
    let bytes = file.read(address, prefix as u64, "an object header")?;
    let mut fields = Fields::new(&bytes, file.widths, "an object header");
    fields.skip(prefix - width)?;
    let length = fields.uint(width)?.saturating_add(prefix as u64 + 4);
    let bytes = file.checked(address, length, "an object header")?;
    let (mut messages, mut blocks) = (Vec::new(), Vec::new());
    messages_2(file, address, &bytes, prefix, has_order, &mut messages, &mut blocks)?;
    while let Some((address, length)) = blocks.pop() {
        let bytes = file.checked(address, length, "a block of an object header")?;
        let mut fields = Fields::new(&bytes, file.widths, "a block of an object header");
        fields.signature(b"OCHK")?;
        messages_2(file, address, &bytes, 4, has_order, &mut messages, &mut blocks)?;
    }
    Ok(Object { messages, references: 1 })
}

/// The messages of a block at an address, behind its prefix.
fn messages_2(
    file: &mut File,
    address: u64,
    bytes: &[u8],
    prefix: usize,
    has_order: bool,
    messages: &mut Vec<Message>,
    blocks: &mut Vec<(u64, u64)>,
) -> Result<(), ParseError> {
    let order = if has_order { 2 } else { 0 };
    let mut fields = Fields::new(bytes, file.widths, "a block of an object header");
    fields.skip(prefix)?;
    // What is too short for a message is a gap.
    while fields.left() >= 4 + order {
        let kind = fields.u8()?;
        let length = usize::from(fields.u16()?);
        let flags = fields.u8()?;
        fields.skip(order)?;
        let body = (address + fields.position() as u64, fields.take(length)?);
        add(file, messages, blocks, kind.into(), flags, body)?;
    }
    Ok(())
}

/// Keeps a message, or follows it when it continues the header elsewhere.
fn add(
    file: &mut File,
    messages: &mut Vec<Message>,
    blocks: &mut Vec<(u64, u64)>,
    kind: u16,
    flags: u8,
    (place, body): (u64, &[u8]),
) -> Result<(), ParseError> {
    match kind {
        0 => {} // nothing: room for later messages
        kind::CONTINUATION => {
            let mut fields = Fields::new(body, file.widths, "a continuation of an object header");
            let (address, length) = (fields.defined()?, fields.length()?);
            file.claim(address, "a continuation of an object header")?;
            blocks.push((address, length));
        }
        _ => messages.push(Message { kind, flags, address: place, body: body.to_vec() }),
    }
    Ok(())
}
