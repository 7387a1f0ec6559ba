//! The texts of protocol 0, which are written as Python source or with escapes.

use crate::formats::error::{ParseError, malformed};

/// Undoes the escapes of the opcode UNICODE (`raw-unicode-escape`): Latin-1 with `\uXXXX` and
/// `\UXXXXXXXX`.
pub fn raw_unicode(line: &[u8]) -> Result<String, ParseError> {
    let mut out = String::new();
    let mut rest = line;
    while let Some((&byte, behind)) = rest.split_first() {
        rest = behind;
        let digits = match (byte, behind.first()) {
            (b'\\', Some(b'u')) => 4,
            (b'\\', Some(b'U')) => 8,
            // A backslash behind a backslash starts no escape.
            (b'\\', Some(&next)) => {
                out.extend(['\\', char::from(next)]);
                rest = &behind[1..];
                continue;
            }
            _ => {
                out.push(char::from(byte));
                continue;
            }
        };
        let code = behind
            .get(1..1 + digits)
            .and_then(hex)
            .ok_or_else(|| malformed!("a text ends within an escape"))?;
        out.push(char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER));
        rest = &behind[1 + digits..];
    }
    Ok(out)
}

/// Undoes Python's quotes and escapes of the opcode STRING.
pub fn quoted(line: &[u8]) -> Result<Vec<u8>, ParseError> {
    let inner = match line {
        [b'\'', inner @ .., b'\''] | [b'"', inner @ .., b'"'] => inner,
        _ => return Err(malformed!("a text of the opcode STRING has no quotes")),
    };
    let mut out = Vec::with_capacity(inner.len());
    let mut rest = inner;
    while let Some((&byte, behind)) = rest.split_first() {
        rest = behind;
        if byte != b'\\' {
            out.push(byte);
            continue;
        }
        let bad = || malformed!("a text of the opcode STRING has an unknown escape");
        let (&escape, behind) = behind.split_first().ok_or_else(bad)?;
        rest = behind;
        out.push(match escape {
            b'\\' | b'\'' | b'"' => escape,
            b'n' => b'\n',
            b'r' => b'\r',
            b't' => b'\t',
            b'a' => 7,
            b'b' => 8,
            b'f' => 12,
            b'v' => 11,
            b'x' => {
                let code = behind.get(..2).and_then(hex).ok_or_else(bad)?;
                rest = &behind[2..];
                code as u8
            }
            b'0'..=b'7' => {
                let more = behind.iter().take(2).take_while(|digit| (b'0'..=b'7').contains(digit)).count();
                rest = &behind[more..];
                let digits = std::iter::once(&escape).chain(&behind[..more]);
                digits.fold(0u16, |code, digit| code * 8 + u16::from(digit - b'0')) as u8
            }
            _ => return Err(bad()),
        });
    }
    Ok(out)
}

/// A decimal number of the opcodes INT and LONG; `None` where it needs more than 64 bits.
pub fn integer(line: &[u8]) -> Result<Option<i64>, ParseError> {
    let text = std::str::from_utf8(line).map_err(|_| malformed!("a number is not text"))?.trim();
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(malformed!("\"{text}\" is not an integer"));
    }
    Ok(text.parse().ok())
}

/// A number of the opcode FLOAT.
pub fn float(line: &[u8]) -> Result<f64, ParseError> {
    let text = std::str::from_utf8(line).map_err(|_| malformed!("a number is not text"))?.trim();
    text.parse().map_err(|_| malformed!("\"{text}\" is not a number"))
}

fn hex(digits: &[u8]) -> Option<u32> {
    digits.iter().try_fold(0u32, |code, &digit| Some(code << 4 | char::from(digit).to_digit(16)?))
}
