//! The machine that follows opcodes: a stack, a memo, and what was imported.

use super::fault::{Fault, Step, fault};
use super::found::{End, Follow, Import};
use super::lines::{global_lines, index, line};
use crate::formats::containers::pickle::{EXTENSION, quoted, raw_unicode};
use crate::formats::error::ParseError;
use crate::formats::support::header_reader::HeaderReader;
use std::collections::HashMap;

/// Opcodes between two looks for interrupts.
const OPCODES_PER_TICK: u64 = 1 << 16;
/// Longest name that is kept: no module has a longer one.
const MAX_NAME: u64 = 4 << 10;
/// Most bytes of texts that are kept.
const MAX_NAME_BYTES: usize = 64 << 20;
/// Most values on the stack and in the memo.
const MAX_VALUES: usize = 1 << 23;
/// Most different imports of one pickle.
const MAX_IMPORTS: usize = 100_000;
/// How far a number of the memo may be ahead of the highest one and stand in a row with it.
const MAX_GAP: u64 = 16;
/// Bytes that tell whether a constant is a file of its own.
const FILE_MARK_BYTES: u64 = 8;
/// Most constants of a pickle that are files.
const MAX_CONSTANTS: usize = 10_000;

/// Fewest opcodes of a kind that are more than a coincidence.
const MIN_REPEATS: u64 = 50;
/// Most values taken from the memo for each one put there.
const MAX_GETS_PER_PUT: u64 = 50;

/// As much of a value as may become a name.
#[derive(Debug, Clone, Copy)]
enum Value {
    Mark,
    /// A text, by its number.
    Text(u32),
    /// Something imported, by its number.
    Import(u32),
    /// A list, a dictionary or a set, by its number.
    Container(u32),
    /// What a call, a loader or a registry gives: anything.
    Anything,
    /// No text.
    Other,
}

/// True for bytes that begin like a file of its own, which the pickle may have loaded.
fn begins_a_file(head: &[u8]) -> bool {
    const MARKS: &[&[u8]] = &[
        b"\x80\x02",
        b"\x80\x03",
        b"\x80\x04",
        b"\x80\x05",
        b"PK\x03\x04",
        b"\x93NUMPY",
        b"\x1f\x8b",
        b"BZh",
        b"\xfd7zXZ",
    ];
    MARKS.iter().any(|mark| head.starts_with(mark))
}

pub(super) struct Machine {
    follow: Follow,
    stack: Vec<Value>,
    memo: Vec<Option<Value>>,
    far_memo: HashMap<u64, Value>,
    memoized: u64,
    texts: Vec<Box<str>>,
    text_bytes: usize,
    pub(super) imports: Vec<Import>,
    numbers: HashMap<(String, String), u32>,
    pub(super) irregular: Option<(u64, String)>,
    pub(super) opcodes: u64,
    pub(super) constants: Vec<(u64, u64)>,
    /// The texts that were pushed last, without anything but the memo's opcodes since.
    recent: [Option<u32>; 2],
    offset: u64,
    containers: u32,
    gets: u64,
    puts: u64,
    duplicates: u64,
    pub(super) signs: Vec<(u64, &'static str)>,
}

impl Machine {
    pub(super) fn new(follow: Follow) -> Self {
        Self {
            follow,
            stack: Vec::new(),
            memo: Vec::new(),
            far_memo: HashMap::new(),
            memoized: 0,
            texts: Vec::new(),
            text_bytes: 0,
            imports: Vec::new(),
            numbers: HashMap::new(),
            irregular: None,
            opcodes: 0,
            constants: Vec::new(),
            recent: [None; 2],
            offset: 0,
            containers: 0,
            gets: 0,
            puts: 0,
            duplicates: 0,
            signs: Vec::new(),
        }
    }

    pub(super) fn run(&mut self, reader: &mut HeaderReader, max_opcodes: u64, tick: &mut dyn FnMut()) -> End {
        loop {
            self.offset = reader.position();
            if self.opcodes >= max_opcodes {
                return End::Limit("opcodes");
            }
            if self.opcodes.is_multiple_of(OPCODES_PER_TICK) {
                tick();
            }
            self.opcodes += 1;
            let step = match reader.array("the pickle's next opcode") {
                Ok([b'.']) => match self.pop() {
                    Ok(_) => return End::Stop,
                    // The stack is empty, and the pickle ends all the same.
                    Err(Fault::Error(what)) if self.follow == Follow::Lenient => {
                        self.irregular.get_or_insert((self.offset, what));
                        return End::Stop;
                    }
                    Err(fault) => Err(fault),
                },
                Ok([opcode]) => self.step(opcode, reader),
                Err(error) => Err(error.into()),
            };
            match step {
                Ok(()) => {}
                Err(Fault::Limit(which)) => return End::Limit(which),
                Err(Fault::Error(what)) if self.follow == Follow::Lenient => {
                    self.irregular.get_or_insert((self.offset, what));
                }
                Err(Fault::Error(what) | Fault::End(what)) => return End::Broken(self.offset, what),
            }
            if self.stack.len() + self.memo.len() + 2 * self.far_memo.len() + self.texts.len() > MAX_VALUES {
                return End::Limit("values");
            }
        }
    }

    fn step(&mut self, opcode: u8, reader: &mut HeaderReader) -> Step {
        let recent = std::mem::take(&mut self.recent);
        match opcode {
            // Numbers and the like
            b'N' | 0x88 | 0x89 => self.push(Value::Other),
            b'I' | b'L' | b'F' => {
                line(reader)?;
                self.push(Value::Other);
            }
            b'J' => self.plain(reader, 4)?,
            b'K' => self.plain(reader, 1)?,
            b'M' => self.plain(reader, 2)?,
            b'G' => self.plain(reader, 8)?,
            0x8a => {
                let length = self.u8(reader)?;
                self.plain(reader, length)?;
            }
            0x8b => {
                let length = i32::from_le_bytes(reader.array(NUMBER)?);
                match u64::try_from(length) {
                    Ok(length) => self.plain(reader, length)?,
                    Err(_) => return fault("an integer of a negative length"),
                }
            }

            // Texts and bytes
            b'S' => {
                let line = line(reader)?;
                let text = quoted(line.trim_ascii_end());
                self.text_or_other(text.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()), recent)?;
            }
            b'V' => {
                let line = line(reader)?;
                self.text_or_other(raw_unicode(&line), recent)?;
            }
            b'U' | 0x8c => {
                let length = self.u8(reader)?;
                self.counted_text(reader, length, recent)?;
            }
            b'T' | b'X' => {
                let length = reader.u32(LENGTH)?.into();
                self.counted_text(reader, length, recent)?;
            }
            0x8d => {
                let length = reader.u64(LENGTH)?;
                self.counted_text(reader, length, recent)?;
            }
            b'C' => {
                let length = self.u8(reader)?;
                self.bytes(reader, length)?;
            }
            b'B' => {
                let length = reader.u32(LENGTH)?.into();
                self.bytes(reader, length)?;
            }
            0x8e | 0x96 => {
                let length = reader.u64(LENGTH)?;
                self.bytes(reader, length)?;
            }
            0x97 => self.push(Value::Anything),
            0x98 => self.top().map(|_| ())?,

            // Containers
            b'(' => self.push(Value::Mark),
            b')' => self.push(Value::Other),
            b']' | b'}' | 0x8f => {
                self.containers = self.containers.wrapping_add(1);
                self.push(Value::Container(self.containers));
            }
            b't' | b'l' | b'd' | 0x91 => {
                let below = self.pop_mark();
                self.push(Value::Other);
                below?;
            }
            0x85..=0x87 => {
                let parts = self.pop_many(usize::from(opcode - 0x84));
                self.push(Value::Other);
                parts?;
            }
            b'a' => {
                let item = self.pop()?;
                self.fill(&[item])?;
            }
            b's' => {
                let items = self.pop_many(2)?;
                self.fill(&items)?;
            }
            b'e' | 0x90 | b'u' => {
                let items = self.pop_mark()?;
                self.fill(&items)?;
            }

            // The stack and the memo
            b'0' => {
                if self.stack.pop().is_none() {
                    return fault("the stack is empty");
                }
            }
            b'1' => self.pop_mark().map(|_| ())?,
            b'2' => {
                self.duplicates += 1;
                let top = self.top()?;
                self.push(top);
            }
            b'p' => {
                self.recent = recent;
                let index = index(&line(reader)?)?;
                self.put(index)?;
            }
            b'q' => {
                self.recent = recent;
                let index = self.u8(reader)?;
                self.put(index)?;
            }
            b'r' => {
                self.recent = recent;
                let index = reader.u32(NUMBER)?.into();
                self.put(index)?;
            }
            0x94 => {
                self.recent = recent;
                self.put(self.memoized)?;
            }
            b'g' => {
                let index = index(&line(reader)?);
                match index {
                    Ok(index) => self.get(index, recent)?,
                    Err(fault) => {
                        self.push(Value::Anything);
                        return Err(fault);
                    }
                }
            }
            b'h' => {
                let index = self.u8(reader)?;
                self.get(index, recent)?;
            }
            b'j' => {
                let index = reader.u32(NUMBER)?.into();
                self.get(index, recent)?;
            }

            // What is imported, called, or asked of the loader
            b'c' => {
                let (module, name) = global_lines(reader)?;
                self.import(module, name, false)?;
            }
            0x93 => self.stack_global(recent)?,
            0x82 => {
                let code = self.u8(reader)?;
                self.import(EXTENSION.into(), code.to_string(), false)?;
            }
            0x83 => {
                let code = u16::from_le_bytes(reader.array(NUMBER)?);
                self.import(EXTENSION.into(), code.to_string(), false)?;
            }
            0x84 => {
                let code = reader.u32(NUMBER)?;
                self.import(EXTENSION.into(), code.to_string(), false)?;
            }
            b'R' | 0x81 => self.call(2)?,
            0x92 => self.call(3)?,
            b'i' => {
                let (module, name) = global_lines(reader)?;
                let arguments = self.pop_mark();
                self.import(module, name, false)?;
                self.call(1)?;
                arguments?;
            }
            b'o' => {
                let parts = self.pop_mark()?;
                match parts.first() {
                    Some(class) => {
                        self.stack.push(*class);
                        self.call(1)?;
                    }
                    None => return fault("the opcode OBJ has no class"),
                }
            }
            b'b' => {
                self.pop()?;
                if let Value::Import(number) = self.top()? {
                    self.imports[number as usize].is_changed = true;
                }
            }
            b'P' => {
                line(reader)?;
                self.push(Value::Anything);
                // No loader of models takes an id that is text, and every ZIP archive begins with this opcode.
                if self.follow == Follow::Strict {
                    return fault("a persistent id is text");
                }
            }
            b'Q' => {
                let id = self.pop();
                self.push(Value::Anything);
                id?;
            }

            // Framing
            0x80 => {
                let protocol = self.u8(reader)?;
                self.recent = recent;
                if self.opcodes > 1 {
                    self.sign("the opcode PROTO is not the first one");
                }
                if protocol > 5 {
                    return fault(format!("there is no protocol {protocol}"));
                }
            }
            0x95 => {
                let length = reader.u64(LENGTH)?;
                self.recent = recent;
                if length > reader.remaining() {
                    return fault(format!("a frame of {length} bytes reaches behind the end"));
                }
            }
            _ => return Err(Fault::End(format!("there is no opcode {opcode:#04x}"))),
        }
        Ok(())
    }

    fn sign(&mut self, what: &'static str) {
        if !self.signs.iter().any(|(_, known)| *known == what) {
            self.signs.push((self.offset, what));
        }
    }

    /// Puts items into what stands on top.
    fn fill(&mut self, items: &[Value]) -> Step {
        if let Value::Container(number) = self.top()? {
            let is_itself = |item: &Value| matches!(item, Value::Container(other) if *other == number);
            if items.iter().any(is_itself) {
                self.sign("a container is put into itself");
            }
        }
        Ok(())
    }

    /// Few bytes that unfold to very many values take what they have over and over.
    pub(super) fn count_memo(&mut self) {
        if self.gets > MIN_REPEATS && self.gets > MAX_GETS_PER_PUT * self.puts {
            self.sign("values are taken from the memo more than 50 times as often as put there");
        }
        if self.duplicates > 2 * MIN_REPEATS {
            self.sign("values are duplicated more than 100 times");
        }
    }

    fn push(&mut self, value: Value) {
        self.stack.push(value);
    }

    fn u8(&mut self, reader: &mut HeaderReader) -> Step<u64> {
        Ok(reader.array::<1>(LENGTH)?[0].into())
    }

    /// A value of so many bytes that is no text.
    fn plain(&mut self, reader: &mut HeaderReader, length: u64) -> Step {
        reader.skip(length, "a number")?;
        self.push(Value::Other);
        Ok(())
    }

    fn bytes(&mut self, reader: &mut HeaderReader, length: u64) -> Step {
        let start = reader.position();
        let known = length.min(FILE_MARK_BYTES);
        let head = reader.take(known, "bytes")?;
        if begins_a_file(head) {
            if self.constants.len() >= MAX_CONSTANTS {
                return Err(Fault::Limit("files in its bytes"));
            }
            self.constants.push((start, length));
        }
        reader.skip(length - known, "bytes")?;
        self.push(Value::Other);
        Ok(())
    }

    fn counted_text(&mut self, reader: &mut HeaderReader, length: u64, recent: [Option<u32>; 2]) -> Step {
        if length > MAX_NAME {
            reader.skip(length, "a text")?;
            self.push(Value::Other);
            return Ok(());
        }
        let text = String::from_utf8_lossy(reader.take(length, "a text")?).into_owned();
        self.text(text, recent)
    }

    fn text_or_other(&mut self, text: Result<String, ParseError>, recent: [Option<u32>; 2]) -> Step {
        match text {
            Ok(text) if text.len() as u64 <= MAX_NAME => self.text(text, recent),
            Ok(_) => {
                self.push(Value::Other);
                Ok(())
            }
            Err(error) => {
                self.push(Value::Anything);
                fault(error.to_string())
            }
        }
    }

    fn text(&mut self, text: String, recent: [Option<u32>; 2]) -> Step {
        self.text_bytes += text.len();
        if self.text_bytes > MAX_NAME_BYTES {
            return Err(Fault::Limit("bytes of texts"));
        }
        let number = self.texts.len() as u32;
        self.texts.push(text.into());
        self.push(Value::Text(number));
        self.recent = [recent[1], Some(number)];
        Ok(())
    }

    /// The value on top, which must stand above the last mark.
    fn top(&self) -> Step<Value> {
        match self.stack.last() {
            Some(Value::Mark) | None => fault("the stack is empty"),
            Some(top) => Ok(*top),
        }
    }

    fn pop(&mut self) -> Step<Value> {
        let top = self.top()?;
        self.stack.pop();
        Ok(top)
    }

    /// The values on top, in order. Those that are missing are anything where the machine is lenient.
    fn pop_many(&mut self, count: usize) -> Step<Vec<Value>> {
        let mut parts = Vec::with_capacity(count);
        for _ in 0..count {
            match self.pop() {
                Ok(value) => parts.push(value),
                Err(_) if self.follow == Follow::Lenient => {
                    self.irregular.get_or_insert_with(|| {
                        (self.offset, format!("the stack has fewer than {count} values"))
                    });
                    parts.push(Value::Anything);
                }
                Err(fault) => return Err(fault),
            }
        }
        parts.reverse();
        Ok(parts)
    }

    fn pop_mark(&mut self) -> Step<Vec<Value>> {
        match self.stack.iter().rposition(|value| matches!(value, Value::Mark)) {
            Some(mark) => {
                let above = self.stack.split_off(mark + 1);
                self.stack.pop();
                Ok(above)
            }
            None => fault("there is no mark on the stack"),
        }
    }

    fn put(&mut self, index: u64) -> Step {
        self.puts += 1;
        let top = self.top()?;
        let before = if index < self.memo.len() as u64 + MAX_GAP {
            let slot = index as usize;
            self.memo.resize(self.memo.len().max(slot + 1), None);
            self.memo[slot].replace(top).or_else(|| self.far_memo.remove(&index))
        } else {
            self.far_memo.insert(index, top)
        };
        self.memoized += u64::from(before.is_none());
        Ok(())
    }

    fn get(&mut self, index: u64, recent: [Option<u32>; 2]) -> Step {
        self.gets += 1;
        let near = usize::try_from(index).ok().and_then(|slot| self.memo.get(slot).copied().flatten());
        match near.or_else(|| self.far_memo.get(&index).copied()) {
            Some(value) => {
                self.push(value);
                if let Value::Text(number) = value {
                    self.recent = [recent[1], Some(number)];
                }
                Ok(())
            }
            None => {
                self.push(Value::Anything);
                fault(format!("the memo has nothing at {index}"))
            }
        }
    }

    fn import(&mut self, module: String, name: String, is_hidden: bool) -> Step {
        let known = self.numbers.get(&(module.clone(), name.clone())).copied();
        let number = match known {
            Some(number) => number,
            None if self.imports.len() >= MAX_IMPORTS => return Err(Fault::Limit("imports")),
            None => {
                let number = self.imports.len() as u32;
                self.numbers.insert((module.clone(), name.clone()), number);
                let offset = self.offset;
                self.imports.push(Import {
                    module,
                    name,
                    count: 0,
                    offset,
                    is_called: false,
                    is_hidden: false,
                    is_changed: false,
                });
                number
            }
        };
        let import = &mut self.imports[number as usize];
        import.count += 1;
        import.is_hidden |= is_hidden;
        self.push(Value::Import(number));
        // Python refuses a module without a name, and no opcode names one that is computed.
        if self.imports[number as usize].module.is_empty() && self.follow == Follow::Strict && !is_hidden {
            return fault("a module has no name");
        }
        Ok(())
    }

    /// The opcode STACK_GLOBAL: names from the stack, which a call may have given.
    fn stack_global(&mut self, recent: [Option<u32>; 2]) -> Step {
        let parts = self.pop_many(2)?;
        if let [Value::Text(module), Value::Text(name)] = parts[..] {
            let text = |number: u32| self.texts[number as usize].to_string();
            return self.import(text(module), text(name), recent != [Some(module), Some(name)]);
        }
        let may_be_text = |value: &Value| matches!(value, Value::Text(_) | Value::Anything);
        if parts.iter().all(may_be_text) || self.follow == Follow::Lenient {
            return self.import(String::new(), String::new(), true);
        }
        fault("the name of what is imported is no text")
    }

    /// A call of the first of the values on top: its result may be anything.
    fn call(&mut self, parts: usize) -> Step {
        let parts = self.pop_many(parts)?;
        if let Value::Import(number) = parts[0] {
            self.imports[number as usize].is_called = true;
        }
        self.push(Value::Anything);
        Ok(())
    }
}

const NUMBER: &str = "a number of the pickle";
const LENGTH: &str = "a length of the pickle";
