//! The lines of protocol 0.

use super::fault::{Step, fault};
use crate::formats::support::header_reader::HeaderReader;

/// Longest line of protocol 0 that is kept; of longer ones the rest is stepped over.
const MAX_KEPT_LINE: usize = 64 << 10;
pub(super) fn global_lines(reader: &mut HeaderReader) -> Step<(String, String)> {
    let module = String::from_utf8_lossy(&line(reader)?).into_owned();
    let name = String::from_utf8_lossy(&line(reader)?).into_owned();
    Ok((module, name))
}

/// The bytes up to the next end of a line, which is left out, as far as they are kept.
pub(super) fn line(reader: &mut HeaderReader) -> Step<Vec<u8>> {
    let mut line = Vec::new();
    loop {
        match reader.array("a line of the pickle")? {
            [b'\n'] => return Ok(line),
            [byte] if line.len() < MAX_KEPT_LINE => line.push(byte),
            _ => {}
        }
    }
}

/// The memo's number of the opcodes PUT and GET, as Python's `int` takes it.
pub(super) fn index(line: &[u8]) -> Step<u64> {
    let text: String = String::from_utf8_lossy(line).trim().chars().filter(|c| *c != '_').collect();
    let digits = text.strip_prefix(['+', '-']).unwrap_or(&text);
    match digits.parse() {
        Ok(index) if index == 0 || !text.starts_with('-') => Ok(index),
        _ => fault(format!("{text} is no number of the memo")),
    }
}
