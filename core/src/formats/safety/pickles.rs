//! Pickles in a stream of bytes: the one it begins with, those behind it, and files within their constants.

use super::limits::{MAX_NESTED, MAX_STACKED_PICKLES};
use super::opcodes::{End, Follow, Import, Seen, look};
use super::policy::classify;
use super::report::{Kind, Verdict};
use super::state::{Nature, Walk};
use crate::byte_range::ByteRange;
use crate::formats::torch::legacy;
use crate::lazy_tensor::LazyTensor;
use crate::source::{Source, SourceError};
use memchr::memmem;

/// Bytes in which most streams show that they are no pickle.
const FIRST_BYTES: u64 = 1 << 10;
/// Bytes that are searched at a time for a pickle's beginning.
const SEARCH_BYTES: u64 = 1 << 20;
/// Most beginnings that are tried behind the pickles of one stream.
const MAX_TRIES: usize = 1 << 16;
/// What is behind the last pickle of a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Behind {
    /// Nothing should be.
    Nothing,
    /// Bytes of tensors, as torch wrote them between pickles.
    Data,
}

impl Walk<'_> {
    /// Examines the pickles that begin at a byte of a source. True where there is one.
    pub(super) fn pickles(
        &mut self,
        source: &dyn Source,
        start: u64,
        place: &str,
        nature: Nature,
        depth: usize,
        behind: Behind,
    ) -> Result<bool, SourceError> {
        if start >= source.len() {
            return Ok(false);
        }
        let is_pickle = nature == Nature::Pickle || self.is_pickle(source, start, place)?;
        if !is_pickle {
            return Ok(false);
        }
        if start == 0 && legacy::is_legacy(source)? {
            return self.legacy(source, place, depth).map(|()| true);
        }
        let mut at = start;
        for _ in 0..MAX_STACKED_PICKLES {
            let seen = self.pickle(source, at, place, depth)?;
            (self.tick)();
            at = seen.next.max(at + 1);
            if at >= source.len() {
                return Ok(true);
            }
            let goes_on = seen.end == End::Stop && self.goes_on(source, at, place)?;
            if !goes_on {
                return self.search(source, at, place, depth, behind).map(|()| true);
            }
        }
        self.limit(place, &format!("more than {MAX_STACKED_PICKLES} pickles one behind the other"));
        Ok(true)
    }

    /// True where a pickle begins at a byte: it has a pickle's mark and comes to its end, or it imports something.
    pub(super) fn is_pickle(
        &mut self,
        source: &dyn Source,
        start: u64,
        place: &str,
    ) -> Result<bool, SourceError> {
        let length = source.len().saturating_sub(start);
        if length == 0 {
            return Ok(false);
        }
        let mut head = vec![0; length.min(FIRST_BYTES) as usize];
        source.read_at(start, &mut head)?;
        let marked = head[0] == 0x80;
        let look_at_head = |follow| look(&&head[..], 0, follow, FIRST_BYTES + 1, &mut || {});
        let strict = look_at_head(Follow::Strict);
        if tells(&strict, marked) {
            return Ok(true);
        }
        // Where Python stops, a reader of opcodes may go on.
        let lenient = marked.then(|| look_at_head(Follow::Lenient));
        if lenient.as_ref().is_some_and(Seen::is_evident) {
            return Ok(true);
        }
        // The error may be the end of what was read, and not of the source.
        let is_cut = |seen: &Seen| match &seen.end {
            End::Broken(_, what) => length > head.len() as u64 && what.contains("the file ends after"),
            _ => false,
        };
        if is_cut(&strict) {
            let seen = self.look(source, start, Follow::Strict, place);
            if tells(&seen, marked) || (marked && matches!(seen.end, End::Limit(_))) {
                return Ok(true);
            }
        }
        Ok(lenient.as_ref().is_some_and(is_cut)
            && self.look(source, start, Follow::Lenient, place).is_evident())
    }

    /// Follows what may be a pickle. Where a limit ends that, it is said, whatever else comes of it: what a decoy used
    /// up is missing for what comes behind.
    fn look(&mut self, source: &dyn Source, start: u64, follow: Follow, place: &str) -> Seen {
        let seen = look(source, start, follow, self.budget.opcodes, self.tick);
        self.budget.opcodes = self.budget.opcodes.saturating_sub(seen.opcodes);
        if let End::Limit(which) = seen.end {
            self.limit(place, &format!("more {which} of a pickle than are examined"));
        }
        seen
    }

    /// True where another pickle follows one, also without a mark and without an import.
    fn goes_on(&mut self, source: &dyn Source, at: u64, place: &str) -> Result<bool, SourceError> {
        Ok(self.is_pickle(source, at, place)?
            || self.look(source, at, Follow::Strict, place).end == End::Stop)
    }

    /// torch's files from before version 1.6: five pickles, then the bytes of the storages.
    fn legacy(&mut self, source: &dyn Source, place: &str, depth: usize) -> Result<(), SourceError> {
        let mut at = 0;
        for _ in 0..legacy::LEGACY_PICKLES {
            let seen = self.pickle(source, at, place, depth)?;
            at = seen.next;
            if seen.end != End::Stop {
                return self.search(source, at, place, depth, Behind::Nothing);
            }
        }
        // torch reads no further, and other programs may: what stands right there is looked at, the storages are not.
        if at < source.len() && self.is_pickle(source, at, place)? {
            self.pickles(source, at, place, Nature::Pickle, depth, Behind::Data)?;
        }
        Ok(())
    }

    /// Examines one pickle to its end.
    fn pickle(
        &mut self,
        source: &dyn Source,
        start: u64,
        place: &str,
        depth: usize,
    ) -> Result<Seen, SourceError> {
        let seen = self.look(source, start, Follow::Lenient, place);
        self.findings.examined.pickles += 1;
        for import in &seen.imports {
            self.import(import, place);
        }
        if let Some((offset, what)) = &seen.irregular {
            let why = "Python stops there, and what this report says of the rest may be wrong";
            self.findings.add(Verdict::Suspicious, Kind::Pickle, &at(place, *offset), what, why);
        }
        for (offset, what) in &seen.signs {
            let why = "Python reads it, and no writer writes it";
            self.findings.add(Verdict::Suspicious, Kind::Pickle, &at(place, *offset), what, why);
        }
        match &seen.end {
            End::Stop | End::Limit(_) => {}
            End::Broken(offset, what) => {
                let why = "the pickle breaks off: Python has run what is before, and nothing can be said of the rest";
                self.findings.add(Verdict::Suspicious, Kind::Pickle, &at(place, *offset), what, why);
            }
        }
        for (offset, length) in &seen.constants {
            self.constant(source, *offset, *length, place, depth)?;
        }
        Ok(seen)
    }

    fn import(&mut self, import: &Import, place: &str) {
        let Import { module, name, count, offset, .. } = import;
        let what = if module.is_empty() && name.is_empty() {
            "a computed name".to_owned()
        } else {
            format!("{module}.{name}")
        };
        let (mut verdict, mut why) = classify(module, name);
        if verdict == Verdict::Safe && import.is_changed {
            (verdict, why) = (Verdict::Suspicious, "harmless by itself, but attributes of it are set");
        }
        if verdict == Verdict::Safe && import.is_hidden {
            (verdict, why) =
                (Verdict::Suspicious, "harmless, but its name is put together as no writer does");
        }
        self.findings.add_many(verdict, Kind::Global, &at(place, *offset), &what, why, *count);
    }

    /// Bytes in a pickle that begin like a file: what the pickle calls may load them.
    fn constant(
        &mut self,
        source: &dyn Source,
        offset: u64,
        length: u64,
        place: &str,
        depth: usize,
    ) -> Result<(), SourceError> {
        let place = format!("{}: bytes", at(place, offset));
        if depth >= MAX_NESTED {
            self.limit(&place, &format!("more than {MAX_NESTED} files within each other"));
            return Ok(());
        }
        let part = ByteRange::new(offset, length).open(source)?;
        self.part(&*part, &place, Nature::Data, depth + 1)
    }

    /// Searches what is behind a pickle for others: whoever writes data in between knows where they are.
    fn search(
        &mut self,
        source: &dyn Source,
        from: u64,
        place: &str,
        depth: usize,
        behind: Behind,
    ) -> Result<(), SourceError> {
        if behind == Behind::Nothing && from < source.len() && !is_zero(source, from)? {
            let what = format!("{} bytes behind the pickle", source.len() - from);
            let why = "they are no pickle, and what reads them is not known";
            self.findings.add(Verdict::Suspicious, Kind::Pickle, &at(place, from), &what, why);
        }
        let (mut position, mut tries) = (from, 0);
        let mut window = Vec::new();
        while position + 1 < source.len() {
            let length = (source.len() - position).min(SEARCH_BYTES);
            let Some(left) = self.budget.searched.checked_sub(length) else {
                self.limit(place, "more bytes behind pickles than are searched for others");
                return Ok(());
            };
            self.budget.searched = left;
            window.resize(length as usize, 0);
            source.read_at(position, &mut window)?;
            (self.tick)();
            let marks: Vec<u64> = memmem::find_iter(&window, b"\x80")
                .filter(|place| window.get(place + 1).is_some_and(|protocol| (2..=5).contains(protocol)))
                .map(|place| position + place as u64)
                .collect();
            let mut behind = position;
            for mark in marks {
                if mark < behind {
                    continue;
                }
                tries += 1;
                if tries > MAX_TRIES {
                    self.limit(place, "more beginnings of pickles than are tried");
                    return Ok(());
                }
                let seen = self.look(source, mark, Follow::Strict, place);
                if seen.is_evident() {
                    behind = self.pickle(source, mark, place, depth)?.next.max(mark + 1);
                }
            }
            // A mark may lie across the window's end.
            position = behind.max(position + length - u64::from(length > 1));
            if length == source.len() - position.min(source.len()) {
                break;
            }
        }
        Ok(())
    }
}

/// True for what is surely a pickle.
fn tells(seen: &Seen, marked: bool) -> bool {
    seen.is_evident() || (marked && seen.end == End::Stop)
}

/// True where only zeros are left, which fill up blocks.
fn is_zero(source: &dyn Source, from: u64) -> Result<bool, SourceError> {
    const MAX_FILL: u64 = 4 << 10;
    let length = source.len() - from;
    if length > MAX_FILL {
        return Ok(false);
    }
    let mut rest = vec![0; length as usize];
    source.read_at(from, &mut rest)?;
    Ok(rest.iter().all(|byte| *byte == 0))
}

/// A place, with a byte in it.
pub(super) fn at(place: &str, offset: u64) -> String {
    format!("{place}, byte {offset}")
}
