//! Links of a group: old groups (a B-tree over symbol tables, names in a local heap) and new ones
//! (messages, few of them in the header, many in a heap).
//! Source: HDF5 File Format Specification, III.A.1, III.B to III.D, IV.A.2.c and IV.A.2.g.

use super::file::{Fields, File};
use super::messages::unshared;
use super::object::{Object, kind};
use super::{btree_v1, dense};
use crate::formats::error::{ParseError, malformed};

/// Where a link leads.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Target {
    /// To the object header at an address.
    Object(u64),
    /// To a path in the same file, which is not followed.
    Soft(String),
    /// Out of the file, which is never followed.
    External,
    /// Somewhere only its writer knows.
    Unknown(u8),
}

/// One link.
#[derive(Debug, Clone)]
pub(super) struct Link {
    pub(super) name: String,
    pub(super) target: Target,
}

/// True for objects that have links.
pub(super) fn is_group(object: &Object) -> bool {
    [kind::SYMBOL_TABLE, kind::LINK_INFO, kind::LINK, kind::GROUP_INFO]
        .into_iter()
        .any(|kind| object.find(kind).is_some())
}

/// All links of a group, by name.
pub(super) fn links(file: &mut File, group: &Object) -> Result<Vec<Link>, ParseError> {
    let mut links = Vec::new();
    for message in group.messages.iter().filter(|message| message.kind == kind::LINK) {
        let fields = unshared(file, message, "a link")?;
        links.push(link(fields)?);
    }
    if let Some(message) = group.find(kind::LINK_INFO) {
        let mut fields = unshared(file, message, "a link index")?;
        fields.version(0, 0)?;
        let tracked = fields.u8()? & 1 != 0;
        fields.skip(if tracked { 8 } else { 0 })?;
        if let Some((heap, index)) = dense::both(fields.address()?, fields.address()?)? {
            for (hash, body) in dense::links(file, heap, index)? {
                let link = link(Fields::new(&body, file.widths, "a link"))?;
                dense::check_hash(&link.name, hash)?;
                links.push(link);
            }
        }
    }
    if let Some(message) = group.find(kind::SYMBOL_TABLE) {
        let mut fields = unshared(file, message, "a symbol table")?;
        let (tree, heap) = (fields.defined()?, fields.defined()?);
        links.extend(symbols(file, tree, heap)?);
    }
    links.sort_by(|one, two| one.name.cmp(&two.name));
    if let Some(pair) = links.windows(2).find(|pair| pair[0].name == pair[1].name) {
        return Err(malformed!("a group has two links named \"{}\"", pair[0].name));
    }
    Ok(links)
}

/// A link's name, if it can be part of a path.
fn name_of(bytes: &[u8]) -> Result<String, ParseError> {
    let name = std::str::from_utf8(bytes).map_err(|error| {
        malformed!("a link's name is not UTF-8: {error}: {}", String::from_utf8_lossy(bytes))
    })?;
    if name.is_empty() || name == "." || name.contains(['/', '\0']) {
        return Err(malformed!("a link is named \"{name}\", which cannot be part of a path"));
    }
    Ok(name.to_owned())
}

/// One link message.
fn link(mut fields: Fields) -> Result<Link, ParseError> {
    const HARD: u8 = 0;
    const SOFT: u8 = 1;
    const EXTERNAL: u8 = 64;
    fields.version(1, 1)?;
    let flags = fields.u8()?;
    let kind = if flags & 0x08 != 0 { fields.u8()? } else { HARD };
    fields.skip(if flags & 0x04 != 0 { 8 } else { 0 })?; // creation order
    fields.skip(if flags & 0x10 != 0 { 1 } else { 0 })?; // character set
    let length = fields.uint(1 << (flags & 3))?;
    let name = name_of(fields.take(usize::try_from(length).unwrap_or(usize::MAX))?)?;
    let target = match kind {
        HARD => Target::Object(fields.defined()?),
        SOFT => {
            let length = fields.u16()?;
            Target::Soft(String::from_utf8_lossy(fields.take(length.into())?).into_owned())
        }
        EXTERNAL => Target::External,
        other => Target::Unknown(other),
    };
    Ok(Link { name, target })
}

/// The links of an old group.
fn symbols(file: &mut File, tree: u64, heap: u64) -> Result<Vec<Link>, ParseError> {
    let names = local_heap(file, heap)?;
    let mut tables = Vec::new();
    btree_v1::visit(file, tree, &btree_v1::Kind::Group, &mut |_, _, child| {
        tables.push(child);
        Ok(())
    })?;
    let mut links = Vec::new();
    for address in tables {
        symbol_table(file, address, &names, &mut links)?;
    }
    Ok(links)
}

/// The names of an old group.
fn local_heap(file: &mut File, address: u64) -> Result<Vec<u8>, ParseError> {
    let what = "a local heap";
    file.claim(address, what)?;
    let header = file.read(address, (8 + 2 * file.widths.length + file.widths.address) as u64, what)?;
    let mut fields = Fields::new(&header, file.widths, what);
    fields.signature(b"HEAP")?;
    fields.version(0, 0)?;
    fields.skip(3)?;
    let length = fields.length()?;
    fields.length()?; // the first free place, which only writers need
    let data = fields.defined()?;
    file.read(data, length, what)
}

fn symbol_table(
    file: &mut File,
    address: u64,
    names: &[u8],
    links: &mut Vec<Link>,
) -> Result<(), ParseError> {
    /// The cache of an entry tells that it is a soft link.
    const SOFT: u32 = 2;
    let what = "a symbol table";
    file.claim(address, what)?;
    let bytes = file.read(address, 8, what)?;
    let mut fields = Fields::new(&bytes, file.widths, what);
    fields.signature(b"SNOD")?;
    fields.version(1, 1)?;
    fields.skip(1)?;
    let count = u64::from(fields.u16()?);
    let entry = file.widths.length + file.widths.address + 24;
    let bytes = file.read(address, 8 + count * entry as u64, what)?;
    let mut fields = Fields::new(&bytes, file.widths, what);
    fields.skip(8)?;
    for _ in 0..count {
        let name = name_of(name_at(names, fields.length()?)?)?;
        let object = fields.address()?;
        let cache = fields.u32()?;
        fields.skip(4)?;
        let mut scratch = Fields::new(fields.take(16)?, file.widths, what);
        let target = if cache == SOFT {
            let path = name_at(names, scratch.u32()?.into())?;
            Target::Soft(String::from_utf8_lossy(path).into_owned())
        } else {
            Target::Object(object.ok_or_else(|| malformed!("link \"{name}\" leads to no object"))?)
        };
        file.charge(name.len() as u64)?;
        links.push(Link { name, target });
    }
    Ok(())
}

fn name_at(names: &[u8], offset: u64) -> Result<&[u8], ParseError> {
    usize::try_from(offset)
        .ok()
        .and_then(|offset| names.get(offset..))
        .and_then(|rest| Some(&rest[..rest.iter().position(|byte| *byte == 0)?]))
        .ok_or_else(|| {
            malformed!(
                "a name starts at byte {offset} of a local heap of {} bytes, without an end",
                names.len()
            )
        })
}
