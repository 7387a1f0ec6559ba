//! Where an HDF5 file starts, and its superblock, versions 0 to 3.
//! Source: HDF5 File Format Specification, II.A.

use super::file::{Fields, File, Widths};
use super::object::{self, kind};
use crate::formats::error::{ParseError, malformed, unsupported};
use crate::source::{Source, SourceError};

/// The first eight bytes of every HDF5 file.
pub(crate) const SIGNATURE: &[u8; 8] = b"\x89HDF\r\n\x1a\n";
/// The largest superblock there is, version 1 with addresses of eight bytes.
const MAX_BYTES: u64 = 104;

/// Where the signature stands in the bytes `begin..end` of a source. A user block of 512, 1024,
/// 2048 … bytes may stand before it.
///
/// # Errors
/// [`SourceError`] when the source cannot be read.
pub(super) fn find(source: &dyn Source, begin: u64, end: u64) -> Result<Option<u64>, SourceError> {
    let mut user_block = 0;
    while let Some(position) =
        begin.checked_add(user_block).filter(|position| end.saturating_sub(*position) >= 8)
    {
        let mut found = [0; 8];
        source.read_at(position, &mut found)?;
        if found == *SIGNATURE {
            return Ok(Some(position));
        }
        user_block = (2 * user_block).max(512);
    }
    Ok(None)
}

/// Opens the bytes `begin..end` of a source; gives the file and the address of its root group.
pub(super) fn open(source: &dyn Source, begin: u64, end: u64) -> Result<(File<'_>, u64), ParseError> {
    let base = find(source, begin, end)?
        .ok_or_else(|| malformed!("no HDF5 signature stands at byte 0, 512, 1024 … of the file"))?;
    let mut file = File::new(source, base, end);
    let bytes = file.read(0, MAX_BYTES.min(file.length()), "the superblock")?;
    let mut fields = Fields::new(&bytes, file.widths, "the superblock");
    fields.skip(SIGNATURE.len())?;
    let version = fields.version(0, 3)?;
    if version < 2 {
        fields.skip(4)?; // versions of free space, root group, reserved, shared messages
    }
    let widths = Widths { address: width(&mut fields, "addresses")?, length: width(&mut fields, "lengths")? };
    // Reserved and the sizes of groups' nodes in the old ones; then flags.
    fields.skip([9, 13, 1, 1][usize::from(version)])?;
    let consumed = fields.position();
    fields = Fields::new(&bytes, widths, "the superblock");
    fields.skip(consumed)?;
    file.widths = widths;

    // The base address tells where the file stood when it was written: a user block that was put
    // before it later has moved it, and what counts is where it stands now.
    let written_base = fields.uint(widths.address)?;
    let extension = fields.address()?; // in the old versions: of the free space, which no file has
    let file_end = fields.defined()?;
    let root = if version < 2 {
        if fields.address()?.is_some() {
            return Err(unsupported!("HDF5 files that are split over several files are not supported"));
        }
        fields.skip(widths.address)?; // offset of the root group's name
        fields.defined()?
    } else {
        let root = fields.defined()?;
        let length = fields.position() as u64 + 4;
        file.checked(0, length, "the superblock")?;
        root
    };
    // The recorded end is counted from the start of the whole file, as the base is.
    let wanted = file_end.checked_sub(written_base);
    if wanted.is_none_or(|wanted| wanted > file.length()) {
        return Err(malformed!(
            "the HDF5 file ends at byte {file_end} according to its superblock, but has {} bytes",
            file.length().saturating_add(written_base)
        ));
    }
    if let Some(extension) = extension.filter(|_| version >= 2) {
        check_extension(&mut file, extension)?;
    }
    Ok((file, root))
}

fn width(fields: &mut Fields, what: &str) -> Result<usize, ParseError> {
    match fields.u8()? {
        width @ (2 | 4 | 8) => Ok(width.into()),
        width => {
            Err(unsupported!("HDF5 files with {what} of {width} bytes are not supported (2, 4 and 8 are)"))
        }
    }
}

/// The extension may say that the file is one of several. All else in it concerns writers.
fn check_extension(file: &mut File, address: u64) -> Result<(), ParseError> {
    let extension = object::read(file, address)?;
    if extension.find(kind::DRIVER_INFO).is_some() {
        return Err(unsupported!("HDF5 files that are split over several files are not supported"));
    }
    Ok(())
}
