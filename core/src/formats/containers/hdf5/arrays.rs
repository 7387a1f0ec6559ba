//! Fixed and extensible arrays: indexes of chunks that count them.
//! Source: HDF5 File Format Specification, VII.C and VII.D; of the library, `H5EA.c`.

use super::file::{Fields, File, verify};
use crate::formats::error::{ParseError, malformed};

/// Is called with the number of an entry and its fields.
type Visit<'v> = dyn FnMut(&mut File, u64, Fields) -> Result<(), ParseError> + 'v;

/// Entries one behind the other.
#[derive(Clone, Copy)]
struct Run {
    first: u64,
    count: u64,
}

/// What both kinds of array have in their headers.
struct Common {
    address: u64,
    filtered: bool,
    entry_bytes: usize,
}

impl Common {
    /// Reads the first fields of a header.
    fn read(
        fields: &mut Fields,
        signature: &[u8; 4],
        address: u64,
        filtered: bool,
    ) -> Result<Self, ParseError> {
        fields.signature(signature)?;
        fields.version(0, 0)?;
        let client = fields.u8()?;
        let entry_bytes = usize::from(fields.u8()?);
        if client != u8::from(filtered) || entry_bytes == 0 {
            return Err(malformed!(
                "an array of chunks at address {address} is of type {client} with entries of {entry_bytes} bytes, not of type {}",
                u8::from(filtered)
            ));
        }
        Ok(Self { address, filtered, entry_bytes })
    }

    /// A block names its array.
    fn check_prefix(&self, fields: &mut Fields, signature: &[u8; 4]) -> Result<(), ParseError> {
        fields.signature(signature)?;
        fields.version(0, 0)?;
        let (client, header) = (fields.u8()?, fields.address()?);
        if client != u8::from(self.filtered) || header != Some(self.address) {
            return Err(malformed!(
                "a block of the array of chunks at address {} is of type {client} and belongs to {header:?}",
                self.address
            ));
        }
        Ok(())
    }

    /// Visits entries.
    fn entries(
        &self,
        file: &mut File,
        fields: &mut Fields,
        run: Run,
        visit: &mut Visit,
    ) -> Result<(), ParseError> {
        for entry in run.first..run.first.saturating_add(run.count) {
            let entry_fields =
                Fields::new(fields.take(self.entry_bytes)?, file.widths, "an entry of an array");
            visit(file, entry, entry_fields)?;
        }
        Ok(())
    }

    /// Visits the entries of pages, which stand one behind the other, each with its checksum. A page
    /// that was never written is not `used`.
    fn pages(
        &self,
        file: &mut File,
        mut address: u64,
        run: Run,
        page: u64,
        used: Used,
        visit: &mut Visit,
    ) -> Result<(), ParseError> {
        for (number, start) in (0..run.count).step_by(page as usize).enumerate() {
            let count = page.min(run.count - start);
            let length = count * self.entry_bytes as u64 + 4;
            if used.holds(number as u64) {
                let what = "a page of an array";
                let bytes = file.checked(address, length, what)?;
                let mut fields = Fields::new(&bytes, file.widths, what);
                self.entries(
                    file,
                    &mut fields,
                    Run { first: run.first.saturating_add(start), count },
                    visit,
                )?;
            }
            address = address.saturating_add(length);
        }
        Ok(())
    }
}

/// Which pages of a block were written.
#[derive(Clone, Copy)]
struct Used<'u> {
    /// A bit for each page, the upper ones of a byte first.
    bits: &'u [u8],
    /// The bit of the block's first page.
    first: u64,
}

impl Used<'_> {
    fn holds(self, page: u64) -> bool {
        let position = self.first + page;
        let byte = usize::try_from(position / 8).ok().and_then(|byte| self.bits.get(byte));
        byte.is_some_and(|byte| byte & (0x80 >> (position % 8)) != 0)
    }
}

/// Bytes of an entry cannot be fewer than one: no array has more entries than the file has bytes.
fn check_count(file: &File, count: u64) -> Result<(), ParseError> {
    if count > file.length() {
        return Err(malformed!(
            "an array of chunks has {count} entries, but the file has {} bytes",
            file.length()
        ));
    }
    Ok(())
}

/// Visits the entries of a fixed array, which must be `possible` many.
pub(super) fn fixed(
    file: &mut File,
    address: u64,
    possible: Option<u64>,
    filtered: bool,
    visit: &mut Visit,
) -> Result<(), ParseError> {
    let what = "a fixed array";
    file.claim(address, what)?;
    let widths = file.widths;
    let bytes = file.checked(address, (8 + widths.length + widths.address + 4) as u64, what)?;
    let mut fields = Fields::new(&bytes, widths, what);
    let common = Common::read(&mut fields, b"FAHD", address, filtered)?;
    let page_bits = fields.u8()?;
    let count = fields.length()?;
    let block = fields.address()?;
    if Some(count) != possible {
        return Err(malformed!("a fixed array has {count} entries for {possible:?} chunks"));
    }
    let Some(block) = block else {
        return Ok(());
    };
    check_count(file, count)?;
    file.claim(block, what)?;
    let prefix = 6 + widths.address;
    let page = 1_u64.checked_shl(page_bits.into()).filter(|page| count > *page);
    let Some(page) = page else {
        let bytes = file.checked(block, prefix as u64 + count * common.entry_bytes as u64 + 4, what)?;
        let mut fields = Fields::new(&bytes, widths, what);
        common.check_prefix(&mut fields, b"FADB")?;
        return common.entries(file, &mut fields, Run { first: 0, count }, visit);
    };
    let length = prefix as u64 + count.div_ceil(page).div_ceil(8) + 4;
    let bytes = file.checked(block, length, what)?;
    let mut fields = Fields::new(&bytes, widths, what);
    common.check_prefix(&mut fields, b"FADB")?;
    let used = Used { bits: fields.take(fields.left())?, first: 0 };
    common.pages(file, block.saturating_add(length), Run { first: 0, count }, page, used, visit)
}

/// An extensible array. It grows by super blocks of data blocks, each with twice the entries.
struct Extensible {
    common: Common,
    /// Entries of the smallest data block.
    min: u64,
    /// Bytes of the number of a block's first entry. It stands in every block and is not compared: the
    /// library counts it wrongly in those that the index points at.
    offset_width: usize,
    /// Entries of a page: larger data blocks are paged.
    page: u64,
}

impl Extensible {
    /// Data blocks of a super block, and the entries of each.
    fn blocks(&self, super_block: u32) -> (u64, u64) {
        (1 << (super_block / 2), self.min << super_block.div_ceil(2))
    }

    /// Visits the entries of a super block of so many data blocks, of which `run` is the first.
    fn super_block(
        &self,
        file: &mut File,
        address: u64,
        blocks: u64,
        mut run: Run,
        visit: &mut Visit,
    ) -> Result<(), ParseError> {
        let what = "a super block of an extensible array";
        file.claim(address, what)?;
        check_count(file, blocks)?;
        // Whole bytes for each data block that has pages, but the bits stand one behind the other.
        let pages = if run.count > self.page { run.count / self.page } else { 0 };
        let bits = blocks.saturating_mul(pages.div_ceil(8));
        let prefix = (6 + file.widths.address + self.offset_width) as u64;
        let length = prefix.saturating_add(bits).saturating_add(blocks * file.widths.address as u64 + 4);
        let bytes = file.checked(address, length, what)?;
        let mut fields = Fields::new(&bytes, file.widths, what);
        self.common.check_prefix(&mut fields, b"EASB")?;
        fields.skip(self.offset_width)?;
        let bits = fields.take(bits as usize)?;
        for number in 0..blocks {
            let used = Used { bits, first: number * pages };
            if let Some(block) = fields.address()? {
                self.data_block(file, block, run, used, visit)?;
            }
            run.first = run.first.saturating_add(run.count);
        }
        Ok(())
    }

    fn data_block(
        &self,
        file: &mut File,
        address: u64,
        run: Run,
        used: Used,
        visit: &mut Visit,
    ) -> Result<(), ParseError> {
        let what = "a data block of an extensible array";
        file.claim(address, what)?;
        check_count(file, run.count)?;
        let prefix = (6 + file.widths.address + self.offset_width) as u64;
        if run.count <= self.page {
            let bytes =
                file.checked(address, prefix + run.count * self.common.entry_bytes as u64 + 4, what)?;
            let mut fields = Fields::new(&bytes, file.widths, what);
            self.common.check_prefix(&mut fields, b"EADB")?;
            fields.skip(self.offset_width)?;
            return self.common.entries(file, &mut fields, run, visit);
        }
        let mut bytes = file.read(address, prefix + 4, what)?;
        verify(&mut bytes, address, what)?;
        let mut fields = Fields::new(&bytes, file.widths, what);
        self.common.check_prefix(&mut fields, b"EADB")?;
        let pages = address.saturating_add(prefix + 4);
        self.common.pages(file, pages, run, self.page, used, visit)
    }
}

/// Visits the entries of an extensible array.
pub(super) fn extensible(
    file: &mut File,
    address: u64,
    filtered: bool,
    visit: &mut Visit,
) -> Result<(), ParseError> {
    let what = "an extensible array";
    file.claim(address, what)?;
    let widths = file.widths;
    let bytes = file.checked(address, (12 + 6 * widths.length + widths.address + 4) as u64, what)?;
    let mut fields = Fields::new(&bytes, widths, what);
    let common = Common::read(&mut fields, b"EAHD", address, filtered)?;
    let bits = u32::from(fields.u8()?);
    let direct = u64::from(fields.u8()?);
    let min = u64::from(fields.u8()?);
    let pointers = u64::from(fields.u8()?);
    let page_bits = u32::from(fields.u8()?);
    fields.skip(6 * widths.length)?; // numbers of blocks and entries, which only writers need
    let index = fields.address()?;
    let possible = min.is_power_of_two()
        && pointers.is_power_of_two()
        && pointers > 1
        && (1..=64).contains(&bits)
        && page_bits < 32
        && bits >= min.ilog2() + 2 * pointers.ilog2()
        // The index has no bits for pages: what it points at is smaller than one.
        && min << pointers.ilog2() <= 1 << page_bits;
    if !possible {
        return Err(malformed!(
            "an extensible array of {bits} bits has data blocks of {min} entries or more, {pointers} pointers and pages of 2^{page_bits}"
        ));
    }
    let Some(index) = index else {
        return Ok(());
    };
    let offset_width = bits.div_ceil(8) as usize;
    let array = Extensible { common, min, offset_width, page: 1 << page_bits };
    // Of the super blocks, the first ones have no block of their own: the index holds their pointers.
    let super_blocks = 1 + bits - min.ilog2();
    let first_super_block = 2 * pointers.ilog2();
    let data_pointers = 2 * (pointers - 1);
    let super_pointers = u64::from(super_blocks - first_super_block);

    file.claim(index, what)?;
    let length = (6 + widths.address) as u64
        + direct * array.common.entry_bytes as u64
        + (data_pointers + super_pointers) * widths.address as u64
        + 4;
    let bytes = file.checked(index, length, what)?;
    let mut fields = Fields::new(&bytes, widths, what);
    array.common.check_prefix(&mut fields, b"EAIB")?;
    array.common.entries(file, &mut fields, Run { first: 0, count: direct }, visit)?;
    const NONE: Used = Used { bits: &[], first: 0 };
    let mut first = direct;
    for number in 0..first_super_block {
        let (blocks, count) = array.blocks(number);
        for _ in 0..blocks {
            if let Some(block) = fields.address()? {
                array.data_block(file, block, Run { first, count }, NONE, visit)?;
            }
            first += count;
        }
    }
    for number in first_super_block..super_blocks {
        let (blocks, entries) = array.blocks(number);
        let next = blocks.checked_mul(entries).and_then(|all| first.checked_add(all));
        if let Some(block) = fields.address()? {
            array.super_block(file, block, blocks, Run { first, count: entries }, visit)?;
        }
        // Behind 2^64 entries there can be no other.
        let Some(next) = next else {
            break;
        };
        first = next;
    }
    Ok(())
}
