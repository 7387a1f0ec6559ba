//! The pickle machine: a stack, marks and a memo. Every opcode takes at least one byte of the file,
//! nothing recurses, and what the machine holds is capped.

use super::text::{float, integer, quoted, raw_unicode};
use super::value::{Bytes, DeferredCall, Global, Object, Pickle, TextRef, Value};
use crate::byte_range::ByteRange;
use crate::formats::error::{ParseError, ParseErrorKind, malformed, too_large, unsupported};
use crate::formats::support::header_reader::HeaderReader;
use std::collections::HashMap;

/// Most opcodes of one pickle: a tensor takes about 40, so half a million tensors. The largest
/// checkpoints known have a tenth of that; more would take longer than a second.
const MAX_OPCODES: u64 = 1 << 25;
/// Most values held: on the stack, in the memo, as objects and inside of them. About 300 MB. A
/// tensor takes about 30.
const MAX_HELD: usize = 1 << 23;
/// Most bytes of all texts. The names of the largest checkpoints known take a few MB.
const MAX_TEXTS: usize = 64 << 20;
/// Longest text that is kept: no name of a tensor is longer. Longer ones are stepped over.
const MAX_TEXT: u64 = 64 << 10;
/// Most bytes of a value that are kept, because it may be a key; and of all of them. Longer ones are weights.
const MAX_KEY: u64 = 1 << 10;
const MAX_KEYS: u64 = 16 << 20;
/// Longest line of protocol 0.
const MAX_LINE: usize = 64 << 10;
/// Longest integer that is kept: torch's magic number has 10 bytes.
const MAX_LONG: u64 = 16;
/// How far a number of the memo may be ahead of the highest one.
const MAX_MEMO_GAP: usize = 16;
/// Most numbers of the memo that are further ahead.
const MAX_SPARSE_MEMO: usize = 1 << 16;
/// Highest protocol there is.
const MAX_PROTOCOL: u8 = 5;

/// Runs one pickle; gives what it built, also where it breaks off.
pub fn run(reader: &mut HeaderReader) -> (Pickle, Result<(), ParseError>) {
    let mut machine = Machine::default();
    let result = machine.run(reader);
    (machine.pickle, result)
}

#[derive(Default)]
struct Machine {
    pickle: Pickle,
    stack: Vec<Value>,
    /// The stack's height at each mark.
    marks: Vec<usize>,
    memo: Memo,
    /// The globals' numbers.
    numbers: HashMap<Global, u32>,
    /// Values inside of objects.
    inside: usize,
    /// Bytes that are kept.
    kept: u64,
}

/// Values by their numbers. Every pickler counts them up, so they stand in a row; others are kept
/// apart, and few are allowed.
#[derive(Default)]
struct Memo {
    dense: Vec<Option<Value>>,
    sparse: HashMap<u32, Value>,
    /// Numbers in use.
    count: u32,
}

impl Memo {
    fn put(&mut self, index: u32, value: Value) -> Result<(), ParseError> {
        let slot = index as usize;
        let before = if slot < self.dense.len() + MAX_MEMO_GAP {
            self.dense.resize(self.dense.len().max(slot + 1), None);
            self.dense[slot].replace(value).or(self.sparse.remove(&index))
        } else {
            self.sparse.insert(index, value)
        };
        self.count += u32::from(before.is_none());
        if self.sparse.len() > MAX_SPARSE_MEMO {
            return Err(too_large!("the memo has more than {MAX_SPARSE_MEMO} numbers that are out of order"));
        }
        Ok(())
    }

    fn get(&self, index: u32) -> Option<Value> {
        let dense = self.dense.get(index as usize).copied().flatten();
        dense.or_else(|| self.sparse.get(&index).copied())
    }
}

impl Machine {
    fn run(&mut self, reader: &mut HeaderReader) -> Result<(), ParseError> {
        for _ in 0..MAX_OPCODES {
            let offset = reader.position();
            let [opcode] = reader.array("the pickle's next opcode")?;
            if opcode == b'.' {
                self.pickle.root = Some(self.pop()?);
                return Ok(());
            }
            self.step(opcode, reader).map_err(|error| match error.kind() {
                ParseErrorKind::Malformed(_) => {
                    error.within(format_args!("the pickle is broken at byte {offset}"))
                }
                _ => error,
            })?;
            let held = self.stack.len()
                + self.marks.len()
                + self.memo.dense.len()
                + self.numbers.len()
                + self.pickle.objects.len()
                + self.inside;
            if held > MAX_HELD {
                return Err(too_large!("the pickle holds more than {MAX_HELD} values"));
            }
        }
        Err(too_large!("the pickle has more than {MAX_OPCODES} opcodes"))
    }

    fn step(&mut self, opcode: u8, reader: &mut HeaderReader) -> Result<(), ParseError> {
        match opcode {
            // Constants
            b'N' => self.push(Value::None),
            0x88 => self.push(Value::Bool(true)),
            0x89 => self.push(Value::Bool(false)),
            b'I' => match line(reader)? {
                line if line == b"00" => self.push(Value::Bool(false)),
                line if line == b"01" => self.push(Value::Bool(true)),
                line => self.push(integer(&line)?.map_or(Value::Opaque, Value::Int)),
            },
            b'J' => self.push(Value::Int(i32::from_le_bytes(reader.array(NUMBER)?).into())),
            b'K' => self.push(Value::Int(reader.array::<1>(NUMBER)?[0].into())),
            b'M' => self.push(Value::Int(u16::from_le_bytes(reader.array(NUMBER)?).into())),
            b'L' => self.long_line(&line(reader)?)?,
            0x8a => {
                let length = reader.array::<1>(NUMBER)?[0].into();
                self.long(length, reader)?;
            }
            0x8b => {
                let length = i32::from_le_bytes(reader.array(NUMBER)?);
                let length =
                    u64::try_from(length).map_err(|_| malformed!("an integer has {length} bytes"))?;
                self.long(length, reader)?;
            }
            b'F' => self.push(Value::Float(float(&line(reader)?)?)),
            b'G' => self.push(Value::Float(f64::from_be_bytes(reader.array(NUMBER)?))),

            // Texts and bytes
            b'S' => {
                let bytes = quoted(&line(reader)?)?;
                self.text(&String::from_utf8_lossy(&bytes))?;
            }
            b'V' => self.text(&raw_unicode(&line(reader)?)?)?,
            b'U' => {
                let length = reader.array::<1>(LENGTH)?[0].into();
                self.old_text(length, reader)?;
            }
            b'T' => {
                let length = reader.u32(LENGTH)?.into();
                self.old_text(length, reader)?;
            }
            0x8c => {
                let length = reader.array::<1>(LENGTH)?[0].into();
                self.long_text(length, reader)?;
            }
            b'X' => {
                let length = reader.u32(LENGTH)?.into();
                self.long_text(length, reader)?;
            }
            0x8d => {
                let length = reader.u64(LENGTH)?;
                self.long_text(length, reader)?;
            }
            b'C' => {
                let length = reader.array::<1>(LENGTH)?[0].into();
                self.bytes(length, reader)?;
            }
            b'B' => {
                let length = reader.u32(LENGTH)?.into();
                self.bytes(length, reader)?;
            }
            0x8e | 0x96 => {
                let length = reader.u64(LENGTH)?;
                self.bytes(length, reader)?;
            }
            0x97 => self.push(Value::Opaque),
            0x98 => {
                self.top()?;
            }

            // Containers
            b'(' => self.marks.push(self.stack.len()),
            b')' => self.object(Object::Tuple([].into())),
            b't' => {
                let items = self.pop_mark()?;
                self.tuple(items);
            }
            0x85..=0x87 => {
                let items = self.pop_many(usize::from(opcode - 0x84))?;
                self.tuple(items);
            }
            b']' | 0x8f => self.object(Object::List(Vec::new())),
            b'l' | 0x91 => {
                let items = self.pop_mark()?;
                self.inside += items.len();
                self.object(Object::List(items));
            }
            b'}' => self.object(Object::Dict(Vec::new())),
            b'd' => {
                let pairs = pairs(self.pop_mark()?)?;
                self.inside += 2 * pairs.len();
                self.object(Object::Dict(pairs));
            }
            b'a' => {
                let items = self.pop_many(1)?;
                self.append(items)?;
            }
            b'e' | 0x90 => {
                let items = self.pop_mark()?;
                self.append(items)?;
            }
            b's' => {
                let items = self.pop_many(2)?;
                self.set(items)?;
            }
            b'u' => {
                let items = self.pop_mark()?;
                self.set(items)?;
            }

            // The stack and the memo
            b'0' => {
                // Python takes a mark away where nothing stands above it.
                if self.floor() == self.stack.len() && self.marks.pop().is_some() {
                    return Ok(());
                }
                self.pop()?;
            }
            b'1' => {
                self.pop_mark()?;
            }
            b'2' => self.push(self.top()?),
            b'p' => self.put(index(&line(reader)?)?)?,
            b'q' => {
                let [index] = reader.array(NUMBER)?;
                self.put(index.into())?;
            }
            b'r' => {
                let index = reader.u32(NUMBER)?;
                self.put(index)?;
            }
            0x94 => self.put(self.memo.count)?,
            b'g' => self.get(index(&line(reader)?)?)?,
            b'h' => {
                let [index] = reader.array(NUMBER)?;
                self.get(index.into())?;
            }
            b'j' => {
                let index = reader.u32(NUMBER)?;
                self.get(index)?;
            }

            // What Python would import, call or ask the loader for
            b'c' => {
                let global = self.global_lines(reader)?;
                self.push(global);
            }
            0x93 => {
                let names = self.pop_many(2)?;
                let global = match (self.pickle.text(names[0]), self.pickle.text(names[1])) {
                    (Some(module), Some(name)) => Global { module: module.into(), name: name.into() },
                    // Computed by a call while loading.
                    _ => Global { module: String::new(), name: String::new() },
                };
                let global = self.global(global)?;
                self.push(global);
            }
            0x82 => {
                let [code] = reader.array(NUMBER)?;
                self.extension(code.into())?;
            }
            0x83 => {
                let code = u16::from_le_bytes(reader.array(NUMBER)?);
                self.extension(code.into())?;
            }
            0x84 => {
                let code = reader.u32(NUMBER)?;
                self.extension(code)?;
            }
            b'R' | 0x81 => {
                let parts = self.pop_many(2)?;
                self.call(parts[0], parts[1], Vec::new())?;
            }
            0x92 => {
                let parts = self.pop_many(3)?;
                self.call(parts[0], parts[1], vec![parts[2]])?;
            }
            b'i' => {
                let callee = self.global_lines(reader)?;
                let arguments = self.pop_mark()?;
                self.call_with(callee, arguments)?;
            }
            b'o' => {
                let mut arguments = self.pop_mark()?;
                if arguments.is_empty() {
                    return Err(malformed!("the opcode OBJ has no class"));
                }
                let callee = arguments.remove(0);
                self.call_with(callee, arguments)?;
            }
            b'b' => {
                let state = self.pop()?;
                let top = self.top()?;
                if let Some(Object::Deferred(call)) = self.object_mut(top) {
                    call.state = state;
                    self.inside += 1;
                }
            }
            b'P' => return Err(malformed!("a persistent id is text, not one of torch's storages")),
            b'Q' => {
                let id = self.pop()?;
                self.object(Object::Persistent(id));
            }

            // Framing
            0x80 => {
                let [protocol] = reader.array("the pickle's protocol")?;
                if protocol > MAX_PROTOCOL {
                    return Err(unsupported!(
                        "the pickle has protocol {protocol} (known: 0 to {MAX_PROTOCOL})"
                    ));
                }
            }
            0x95 => {
                let length = reader.u64(LENGTH)?;
                if length > reader.remaining() {
                    return Err(malformed!(
                        "a frame has {length} bytes, but the file ends after {} more",
                        reader.remaining()
                    ));
                }
            }
            _ => return Err(malformed!("there is no opcode {opcode:#04x}")),
        }
        Ok(())
    }

    fn push(&mut self, value: Value) {
        self.stack.push(value);
    }

    /// Adds an object and pushes it.
    fn object(&mut self, object: Object) {
        let number = self.pickle.objects.len() as u32;
        self.pickle.objects.push(object);
        self.stack.push(Value::Object(number));
    }

    fn object_mut(&mut self, value: Value) -> Option<&mut Object> {
        match value {
            Value::Object(number) => self.pickle.objects.get_mut(number as usize),
            _ => None,
        }
    }

    fn tuple(&mut self, items: Vec<Value>) {
        self.inside += items.len();
        self.object(Object::Tuple(items.into()));
    }

    /// The height below which the stack belongs to what stands before the last mark.
    fn floor(&self) -> usize {
        self.marks.last().copied().unwrap_or(0)
    }

    fn top(&self) -> Result<Value, ParseError> {
        let above = self.stack.len() > self.floor();
        self.stack.last().copied().filter(|_| above).ok_or_else(|| malformed!("the stack is empty"))
    }

    fn pop(&mut self) -> Result<Value, ParseError> {
        let top = self.top()?;
        self.stack.pop();
        Ok(top)
    }

    fn pop_many(&mut self, count: usize) -> Result<Vec<Value>, ParseError> {
        if self.stack.len() - self.floor() < count {
            return Err(malformed!("the stack has fewer than {count} values"));
        }
        Ok(self.stack.split_off(self.stack.len() - count))
    }

    fn pop_mark(&mut self) -> Result<Vec<Value>, ParseError> {
        let mark = self.marks.pop().ok_or_else(|| malformed!("there is no mark on the stack"))?;
        Ok(self.stack.split_off(mark))
    }

    fn put(&mut self, index: u32) -> Result<(), ParseError> {
        let top = self.top()?;
        self.memo.put(index, top)
    }

    fn get(&mut self, index: u32) -> Result<(), ParseError> {
        let value = self.memo.get(index).ok_or_else(|| malformed!("the memo has nothing at {index}"))?;
        self.stack.push(value);
        Ok(())
    }

    fn text(&mut self, text: &str) -> Result<(), ParseError> {
        let start = self.pickle.texts.len();
        if start + text.len() > MAX_TEXTS {
            return Err(too_large!("the pickle's texts have more than {MAX_TEXTS} bytes"));
        }
        self.pickle.texts.push_str(text);
        self.push(Value::Text(TextRef { start: start as u32, length: text.len() as u32 }));
        Ok(())
    }

    fn long_text(&mut self, length: u64, reader: &mut HeaderReader) -> Result<(), ParseError> {
        if length > MAX_TEXT {
            let range = ByteRange::new(reader.position(), length);
            reader.skip(length, "a text")?;
            self.object(Object::LongText(range));
            return Ok(());
        }
        let text = String::from_utf8_lossy(reader.take(length, "a text")?);
        self.text(&text)
    }

    /// A text of Python 2, which is bytes in no known encoding: text where all encodings agree.
    fn old_text(&mut self, length: u64, reader: &mut HeaderReader) -> Result<(), ParseError> {
        if length > MAX_TEXT {
            return self.bytes(length, reader);
        }
        let range = ByteRange::new(reader.position(), length);
        let bytes = reader.take(length, "a text")?;
        match std::str::from_utf8(bytes).ok().filter(|text| text.is_ascii()) {
            Some(text) => {
                let text = text.to_owned();
                self.text(&text)
            }
            None => {
                let kept = (length <= MAX_KEY).then(|| bytes.into());
                self.push_bytes(range, kept);
                Ok(())
            }
        }
    }

    fn bytes(&mut self, length: u64, reader: &mut HeaderReader) -> Result<(), ParseError> {
        let range = ByteRange::new(reader.position(), length);
        let kept = if length <= MAX_KEY {
            Some(reader.take(length, "bytes")?.into())
        } else {
            reader.skip(length, "bytes")?;
            None
        };
        self.push_bytes(range, kept);
        Ok(())
    }

    fn push_bytes(&mut self, range: ByteRange, kept: Option<Box<[u8]>>) {
        self.kept += kept.as_ref().map_or(0, |kept| kept.len() as u64);
        let kept = kept.filter(|_| self.kept <= MAX_KEYS);
        self.object(Object::Bytes(Box::new(Bytes { range, kept })));
    }

    /// An integer in two's complement, little-endian.
    fn long(&mut self, length: u64, reader: &mut HeaderReader) -> Result<(), ParseError> {
        if length > MAX_LONG {
            reader.skip(length, "an integer")?;
            self.push(Value::Opaque);
            return Ok(());
        }
        let bytes = reader.take(length, "an integer")?;
        let negative = bytes.last().is_some_and(|last| last & 0x80 != 0);
        if bytes.len() > 8 {
            let long = Object::Long(bytes.into());
            self.object(long);
            return Ok(());
        }
        let mut wide = [if negative { 0xff } else { 0 }; 8];
        wide[..bytes.len()].copy_from_slice(bytes);
        self.push(Value::Int(i64::from_le_bytes(wide)));
        Ok(())
    }

    /// An integer in decimal digits, which may end in `L`.
    fn long_line(&mut self, line: &[u8]) -> Result<(), ParseError> {
        let digits = line.strip_suffix(b"L").unwrap_or(line);
        match integer(digits)? {
            Some(small) => self.push(Value::Int(small)),
            None => match std::str::from_utf8(digits).ok().and_then(|text| text.parse::<i128>().ok()) {
                Some(wide) => self.object(Object::Long(wide.to_le_bytes().into())),
                None => self.push(Value::Opaque),
            },
        }
        Ok(())
    }

    fn append(&mut self, items: Vec<Value>) -> Result<(), ParseError> {
        let top = self.top()?;
        self.inside += items.len();
        match self.object_mut(top) {
            Some(Object::List(list)) => list.extend(items),
            Some(Object::Deferred(call)) => call.items.extend(items),
            _ => return Err(malformed!("something is appended to what is not a list")),
        }
        Ok(())
    }

    fn set(&mut self, items: Vec<Value>) -> Result<(), ParseError> {
        let top = self.top()?;
        self.inside += items.len();
        let pairs = pairs(items)?;
        match self.object_mut(top) {
            Some(Object::Dict(dict)) => dict.extend(pairs),
            Some(Object::Deferred(call)) => call.pairs.extend(pairs),
            _ => return Err(malformed!("a key is set of what is not a dictionary")),
        }
        Ok(())
    }

    fn global_lines(&mut self, reader: &mut HeaderReader) -> Result<Value, ParseError> {
        let module = String::from_utf8_lossy(&line(reader)?).into_owned();
        let name = String::from_utf8_lossy(&line(reader)?).into_owned();
        self.global(Global { module, name })
    }

    fn global(&mut self, global: Global) -> Result<Value, ParseError> {
        if let Some(&number) = self.numbers.get(&global) {
            self.pickle.imports[number as usize] += 1;
            return Ok(Value::Global(number));
        }
        let number = self.pickle.globals.len() as u32;
        self.inside += (global.module.len() + global.name.len()) / 8;
        self.pickle.globals.push(global.clone());
        self.pickle.imports.push(1);
        self.numbers.insert(global, number);
        Ok(Value::Global(number))
    }

    /// A number that stands for a global in a registry of the running Python.
    fn extension(&mut self, code: u32) -> Result<(), ParseError> {
        let global = self.global(Global { module: EXTENSION.into(), name: code.to_string() })?;
        self.push(global);
        Ok(())
    }

    fn call(&mut self, callee: Value, arguments: Value, items: Vec<Value>) -> Result<(), ParseError> {
        // A list or a generator would do as well where Python unpacks them, but no writer does that.
        if !matches!(self.pickle.object(arguments), Some(Object::Tuple(_) | Object::Deferred(_))) {
            return Err(malformed!("a call's arguments are not a tuple"));
        }
        self.inside += 3 + items.len() + MADE_VALUES;
        let call = DeferredCall { callee, arguments, state: Value::None, items, pairs: Vec::new() };
        self.object(Object::Deferred(Box::new(call)));
        Ok(())
    }

    fn call_with(&mut self, callee: Value, arguments: Vec<Value>) -> Result<(), ParseError> {
        self.tuple(arguments);
        let arguments = self.pop()?;
        self.call(callee, arguments, Vec::new())
    }
}

const NUMBER: &str = "a number of the pickle";
const LENGTH: &str = "a length of the pickle";
/// What a record of a call takes, in values, beside those it holds.
const MADE_VALUES: usize = 4;
/// The module under which [`Machine::extension`] files its numbers.
pub const EXTENSION: &str = "copyreg extension";

fn pairs(items: Vec<Value>) -> Result<Vec<(Value, Value)>, ParseError> {
    if !items.len().is_multiple_of(2) {
        return Err(malformed!("a key has no value"));
    }
    Ok(items.chunks_exact(2).map(|pair| (pair[0], pair[1])).collect())
}

/// The bytes up to the next end of a line, which is left out.
fn line(reader: &mut HeaderReader) -> Result<Vec<u8>, ParseError> {
    let mut line = Vec::new();
    loop {
        match reader.array("a line of the pickle")? {
            [b'\n'] => return Ok(line),
            [byte] if line.len() < MAX_LINE => line.push(byte),
            _ => return Err(too_large!("a line of the pickle has more than {MAX_LINE} bytes")),
        }
    }
}

/// The memo's index of the opcodes PUT and GET.
fn index(line: &[u8]) -> Result<u32, ParseError> {
    integer(line)?
        .and_then(|index| u32::try_from(index).ok())
        .ok_or_else(|| malformed!("{} is not an index of the memo", String::from_utf8_lossy(line)))
}
