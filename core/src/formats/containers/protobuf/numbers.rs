//! Numbers of a repeated field, as the bytes of a tensor: what ONNX calls `int64_data` and
//! TensorFlow `float_val`. They may be packed into one run, into several, or stand one by one; where
//! they are not the tensor's bytes already, they are decoded while the tensor is read.

use super::{Field, Payload, Span, VARINT_BYTES, Wire};
use crate::formats::error::{ParseError, ParseErrorKind, malformed};
use crate::lazy_tensor::LazyTensor;
use crate::source::{Source, SourceError, check_range};
use prost::encoding::decode_varint;
use std::cell::RefCell;

/// How each number is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Coding {
    /// One to ten bytes.
    Varint,
    /// Four bytes, little-endian.
    Fixed32,
    /// Eight bytes, little-endian.
    Fixed64,
    /// One byte, in a field of bytes.
    Byte,
}

impl Coding {
    /// Bytes of a number, where all take the same.
    fn width(self) -> Option<u64> {
        match self {
            Self::Varint => None,
            Self::Fixed32 => Some(4),
            Self::Fixed64 => Some(8),
            Self::Byte => Some(1),
        }
    }
}

/// What was seen of a field while its message was walked.
#[derive(Debug, Clone, Copy, Default)]
pub struct Seen {
    /// The run of numbers, where there is only one.
    run: Option<Span>,
    runs: u64,
    min: u64,
    max: u64,
}

impl Seen {
    /// Takes note of one occurrence of the field.
    pub fn add(&mut self, field: &Field, coding: Coding) -> Result<(), ParseError> {
        let length = field.span.len();
        let (min, max) = match (field.payload, coding) {
            (Payload::Varint(_), Coding::Varint)
            | (Payload::Fixed32, Coding::Fixed32)
            | (Payload::Fixed64, Coding::Fixed64) => (1, 1),
            (Payload::Bytes, coding) => match coding.width() {
                None => (length.div_ceil(VARINT_BYTES as u64), length),
                Some(width) if length.is_multiple_of(width) => (length / width, length / width),
                Some(width) => {
                    return Err(malformed!(
                        "field {} at byte {} has {length} bytes, not a whole number of {width}",
                        field.number,
                        field.span.offset
                    ));
                }
            },
            _ => {
                return Err(malformed!(
                    "field {} at byte {} is of another type than its schema says",
                    field.number,
                    field.span.offset
                ));
            }
        };
        self.run = (self.runs == 0).then_some(field.span);
        self.runs += 1;
        self.min += min;
        self.max += max;
        Ok(())
    }

    /// The fewest numbers that there can be.
    pub fn min(&self) -> u64 {
        self.min
    }

    /// The most numbers that there can be; exact but for numbers of variable length.
    pub fn max(&self) -> u64 {
        self.max
    }

    /// Where the numbers stand as they are: `length` bytes in one run, of fixed width.
    pub fn plain(&self, coding: Coding, length: u64) -> Option<u64> {
        let run = self.run.filter(|run| coding.width().is_some() && run.len() == length)?;
        Some(run.offset)
    }
}

/// How numbers become bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Form {
    /// The low bytes that are kept of each number.
    pub width: u8,
    /// Numbers of one element: two for complex ones. Where elements are missing, the last is repeated.
    pub lanes: u8,
    /// Every number but 0 is 1.
    pub boolean: bool,
}

impl Form {
    /// Numbers of this many bytes.
    pub fn for_width(width: u8) -> Self {
        Self { width, lanes: 1, boolean: false }
    }

    fn element_bytes(self) -> usize {
        usize::from(self.width) * usize::from(self.lanes)
    }
}

/// How to get a tensor's bytes from a field.
#[derive(Debug, Clone)]
pub struct Numbers {
    /// The message that the field is of.
    pub message: Span,
    /// The field's number.
    pub field: u32,
    /// How its numbers are written.
    pub coding: Coding,
    /// How they become bytes.
    pub form: Form,
    /// Elements of the tensor.
    pub count: u64,
    /// Fewer elements are completed by the last one, and none at all by zeros.
    pub fill: bool,
}

impl LazyTensor for Numbers {
    fn open<'a>(&self, file: &'a dyn Source) -> Result<Box<dyn Source + 'a>, SourceError> {
        if self.message.end > file.len() {
            let Span { offset, end } = self.message;
            return Err(SourceError::OutOfRange { offset, wanted: end - offset, length: file.len() });
        }
        Ok(Box::new(NumberSource {
            length: self.count.saturating_mul(self.form.element_bytes() as u64),
            walk: RefCell::new(Walk::new(self.clone(), file)),
        }))
    }
}

struct NumberSource<'a> {
    length: u64,
    walk: RefCell<Walk<'a>>,
}

impl Source for NumberSource<'_> {
    fn len(&self) -> u64 {
        self.length
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<(), SourceError> {
        check_range(offset, buf.len(), self.length)?;
        self.walk.borrow_mut().read(offset, buf).map_err(|error| match error.into_kind() {
            ParseErrorKind::Source(error) => error,
            other => SourceError::Malformed(other.to_string()),
        })
    }
}

/// A walk over the elements, from front to back.
struct Walk<'a> {
    numbers: Numbers,
    wire: Wire<'a>,
    /// What is left of the message.
    message: Span,
    /// What is left of a run of packed numbers.
    run: Span,
    /// Elements decoded.
    done: u64,
    /// The last of them.
    element: [u8; 16],
    /// No number is left: every element from here on is `element`.
    filling: bool,
}

impl<'a> Walk<'a> {
    fn new(numbers: Numbers, source: &'a dyn Source) -> Self {
        let (message, run) = (numbers.message, Span { offset: 0, end: 0 });
        Self { numbers, wire: Wire::new(source), message, run, done: 0, element: [0; 16], filling: false }
    }

    fn read(&mut self, offset: u64, buf: &mut [u8]) -> Result<(), ParseError> {
        let size = self.numbers.form.element_bytes();
        let (mut wanted, mut skip) = (offset / size as u64, (offset % size as u64) as usize);
        if wanted + 1 < self.done {
            *self = Self::new(self.numbers.clone(), self.wire.source());
        }
        let mut buf = buf;
        while !buf.is_empty() {
            while self.done <= wanted && !self.filling {
                self.step()?;
            }
            let n = (size - skip).min(buf.len());
            let (now, rest) = buf.split_at_mut(n);
            now.copy_from_slice(&self.element[skip..skip + n]);
            (buf, wanted, skip) = (rest, wanted + 1, 0);
        }
        Ok(())
    }

    /// Decodes the next element. With the last one, no number may be left.
    fn step(&mut self) -> Result<(), ParseError> {
        let Numbers { form, count, fill, field, .. } = self.numbers;
        let (width, mut element) = (usize::from(form.width), [0; 16]);
        for lane in 0..usize::from(form.lanes) {
            let Some(number) = self.number()? else {
                if fill && lane == 0 {
                    self.filling = true;
                    return Ok(());
                }
                return Err(malformed!(
                    "field {field} ends after {} elements, but the tensor has {count}",
                    self.done
                ));
            };
            let number = if form.boolean { u64::from(number != 0) } else { number };
            element[lane * width..][..width].copy_from_slice(&number.to_le_bytes()[..width]);
        }
        self.element = element;
        self.done += 1;
        if self.done == count && self.number()?.is_some() {
            return Err(malformed!("field {field} has more elements than the tensor, which has {count}"));
        }
        Ok(())
    }

    /// The next number of the field.
    fn number(&mut self) -> Result<Option<u64>, ParseError> {
        loop {
            let Span { offset, end } = self.run;
            if offset < end {
                let width = self.numbers.coding.width();
                let head = self.wire.peek(offset, width.map_or(VARINT_BYTES, |width| width as usize), end)?;
                let mut rest = head;
                let number = match width {
                    None => decode_varint(&mut rest)
                        .map_err(|_| malformed!("a number at byte {offset} does not end"))?,
                    Some(_) => {
                        rest = &[];
                        head.iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte))
                    }
                };
                self.run.offset += (head.len() - rest.len()) as u64;
                return Ok(Some(number));
            }
            let Some(field) = self.wire.next(&mut self.message)? else { return Ok(None) };
            if field.number != self.numbers.field {
                continue;
            }
            match field.payload {
                Payload::Varint(number) => return Ok(Some(number)),
                // Four and eight bytes are runs of one number.
                Payload::Bytes | Payload::Fixed32 | Payload::Fixed64 => self.run = field.span,
            }
        }
    }
}
