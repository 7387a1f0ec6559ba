//! Tensors whose bytes do not stand in their file as they are; every format uses these.
//! A recipe works on the file or on what another recipe makes of it.

use crate::byte_range::ByteRange;
use crate::lazy_tensor::LazyTensor;
use crate::source::{Source, SourceError, check_range};
use std::cell::RefCell;
use std::sync::Arc;

/// Bytes of a strided tensor that are gathered at a time.
const GATHERED: u64 = 4 << 20;
/// Strided elements are read together when fewer bytes than this lie between them: a page.
const MAX_HOLE: u64 = 4 << 10;
/// Most bytes that are read at once for strided elements.
const MAX_RUN: u64 = 256 << 10;
/// Bytes of the widest element: a complex number of two doubles.
const MAX_ELEMENT: usize = 16;

/// Bytes that the parser made: few, and independent of the file.
#[derive(Debug, Clone)]
pub struct Inline(pub Arc<[u8]>);

impl LazyTensor for Inline {
    fn open<'a>(&self, _file: &'a dyn Source) -> Result<Box<dyn Source + 'a>, SourceError> {
        Ok(Box::new(Owned(self.0.clone())))
    }
}

struct Owned<T>(T);

impl<T: AsRef<[u8]>> Source for Owned<T> {
    fn len(&self) -> u64 {
        self.0.as_ref().len() as u64
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<(), SourceError> {
        self.0.as_ref().read_at(offset, buf)
    }
}

/// A range of what another recipe makes.
#[derive(Debug, Clone)]
pub struct SubRange {
    /// The whole.
    pub of: Arc<dyn LazyTensor>,
    /// The bytes of it.
    pub range: ByteRange,
}

impl LazyTensor for SubRange {
    fn open<'a>(&self, file: &'a dyn Source) -> Result<Box<dyn Source + 'a>, SourceError> {
        Ok(Box::new(SubRangeSource { of: self.of.open(file)?, range: self.range }))
    }
}

struct SubRangeSource<'a> {
    of: Box<dyn Source + 'a>,
    range: ByteRange,
}

impl Source for SubRangeSource<'_> {
    fn len(&self) -> u64 {
        self.range.len
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<(), SourceError> {
        check_range(offset, buf.len(), self.range.len)?;
        self.of.read_at(self.range.offset + offset, buf)
    }
}

/// What another recipe makes, held in memory while it is open: for random access to what can only
/// be read from front to back. The parser sees to it that it is small.
#[derive(Debug, Clone)]
pub struct Buffered {
    /// What is held.
    pub of: Arc<dyn LazyTensor>,
}

impl LazyTensor for Buffered {
    fn open<'a>(&self, file: &'a dyn Source) -> Result<Box<dyn Source + 'a>, SourceError> {
        let source = self.of.open(file)?;
        let mut bytes = Vec::new();
        let out_of_memory = |_| {
            SourceError::OutOfMemory(format!("out of memory: {} bytes of a compressed tensor", source.len()))
        };
        bytes.try_reserve_exact(source.len() as usize).map_err(out_of_memory)?;
        bytes.resize(source.len() as usize, 0);
        source.read_at(0, &mut bytes)?;
        Ok(Box::new(Owned(bytes)))
    }
}

/// Another byte order: the bytes of each element reversed.
#[derive(Debug, Clone)]
pub struct ByteSwapped {
    /// The elements in big-endian order.
    pub of: Arc<dyn LazyTensor>,
    /// Bytes of an element; of one part where the element is complex. At most 16.
    pub element_bytes: usize,
}

impl LazyTensor for ByteSwapped {
    fn open<'a>(&self, file: &'a dyn Source) -> Result<Box<dyn Source + 'a>, SourceError> {
        Ok(Box::new(Mapped { of: self.of.open(file)?, width: self.element_bytes, map: <[u8]>::reverse }))
    }
}

/// Numbers of the other sign: views that say so with a bit, and leave the numbers in the file as they are.
#[derive(Debug, Clone)]
pub struct Negated {
    /// The numbers as they are stored, in little-endian order.
    pub of: Arc<dyn LazyTensor>,
    /// Bytes of an element, at most 16.
    pub element_bytes: usize,
    /// Which part of each element changes its sign.
    pub sign: Sign,
}

/// What changes its sign.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sign {
    /// A float, by its sign bit: NaN too.
    Float,
    /// A whole number, in two's complement.
    Integer,
    /// The real part of a complex number.
    Real,
    /// Its imaginary part.
    Imaginary,
    /// Both.
    Complex,
}

impl Sign {
    fn change(self, element: &mut [u8]) {
        let (half, last) = (element.len() / 2, element.len() - 1);
        match self {
            Self::Float | Self::Imaginary => element[last] ^= 0x80,
            Self::Real => element[half - 1] ^= 0x80,
            Self::Complex => {
                element[half - 1] ^= 0x80;
                element[last] ^= 0x80;
            }
            Self::Integer => {
                let mut carry = true;
                for byte in element {
                    (*byte, carry) = (!*byte).overflowing_add(u8::from(carry));
                }
            }
        }
    }
}

impl LazyTensor for Negated {
    fn open<'a>(&self, file: &'a dyn Source) -> Result<Box<dyn Source + 'a>, SourceError> {
        let sign = self.sign;
        let map = move |element: &mut [u8]| sign.change(element);
        Ok(Box::new(Mapped { of: self.of.open(file)?, width: self.element_bytes, map }))
    }
}

/// Each element as a function makes it of the stored one.
struct Mapped<'a, F> {
    of: Box<dyn Source + 'a>,
    width: usize,
    map: F,
}

impl<F: Fn(&mut [u8]) + Send + Sync> Source for Mapped<'_, F> {
    fn len(&self) -> u64 {
        self.of.len()
    }

    fn read_at(&self, mut offset: u64, mut buf: &mut [u8]) -> Result<(), SourceError> {
        check_range(offset, buf.len(), self.len())?;
        while !buf.is_empty() {
            let skip = (offset % self.width as u64) as usize;
            let whole = buf.len() / self.width * self.width;
            let n = if skip == 0 && whole > 0 {
                self.of.read_at(offset, &mut buf[..whole])?;
                buf[..whole].chunks_exact_mut(self.width).for_each(&self.map);
                whole
            } else {
                let mut element = [0; MAX_ELEMENT];
                let element = &mut element[..self.width];
                self.of.read_at(offset - skip as u64, element)?;
                (self.map)(element);
                let n = buf.len().min(self.width - skip);
                buf[..n].copy_from_slice(&element[skip..skip + n]);
                n
            };
            buf = &mut buf[n..];
            offset += n as u64;
        }
        Ok(())
    }
}

/// A view with strides: columns, slices, transposed and expanded tensors, Fortran order.
#[derive(Debug, Clone)]
pub struct Strided {
    of: Arc<dyn LazyTensor>,
    width: usize,
    first: u64,
    shape: Vec<u64>,
    strides: Vec<u64>,
    length: u64,
}

impl Strided {
    /// A view of `of`, which has `of_length` bytes. `first` and `strides` count elements of
    /// `element_bytes` (a power of two, at most 16). `None` when some element lies outside, or nothing
    /// can be that long.
    pub fn new(
        of: Arc<dyn LazyTensor>,
        of_length: u64,
        element_bytes: usize,
        first: u64,
        shape: &[u64],
        strides: &[u64],
    ) -> Option<Self> {
        let width = element_bytes as u64;
        if !element_bytes.is_power_of_two() || element_bytes > MAX_ELEMENT || shape.len() != strides.len() {
            return None;
        }
        let count = shape.iter().try_fold(1u64, |count, extent| count.checked_mul(*extent))?;
        let length = count.checked_mul(width)?;
        if count > 0 {
            let last = shape.iter().zip(strides).try_fold(first, |last, (extent, stride)| {
                last.checked_add((extent - 1).checked_mul(*stride)?)
            })?;
            if last.checked_add(1)?.checked_mul(width)? > of_length {
                return None;
            }
        }
        let (shape, strides) = (shape.to_vec(), strides.to_vec());
        Some(Self { of, width: element_bytes, first, shape, strides, length })
    }

    /// The element of the whole that stands at place `index` of the view.
    fn element(&self, mut index: u64) -> u64 {
        let mut element = self.first;
        for (extent, stride) in self.shape.iter().zip(&self.strides).rev() {
            element += index % extent * stride;
            index /= extent;
        }
        element
    }

    /// The box of elements around place `index` that is gathered at once: as many whole inner axes as
    /// fit, and a range of the axis before them. Its first place, its number of elements, its axes.
    fn around(&self, index: u64) -> (u64, u64, Vec<Axis>) {
        let max = GATHERED / self.width as u64;
        let (mut inner, mut axes) = (1, Vec::new());
        let (mut start, mut count) = (0, 1);
        for (&extent, &from) in self.shape.iter().zip(&self.strides).rev() {
            if inner * extent <= max {
                axes.push(Axis { extent, from, to: inner });
                inner *= extent;
                count = inner;
                continue;
            }
            let rows = max / inner;
            let row = index / inner % extent / rows * rows;
            let taken = rows.min(extent - row);
            axes.push(Axis { extent: taken, from, to: inner });
            start = (index / inner / extent * extent + row) * inner;
            count = taken * inner;
            break;
        }
        axes.retain(|axis| axis.extent > 1);
        axes.sort_by_key(|axis| axis.from);
        (start, count, axes)
    }
}

/// One axis of a box: its extent, and the elements between neighbours in the whole and in the view.
#[derive(Debug, Clone, Copy)]
struct Axis {
    extent: u64,
    from: u64,
    to: u64,
}

/// Calls `take` with the offsets of every element in the whole and in the view; the first axis is the
/// fastest.
fn each_element<E>(axes: &[Axis], mut take: impl FnMut(u64, u64) -> Result<(), E>) -> Result<(), E> {
    let mut counter = vec![0; axes.len()];
    let (mut from, mut to) = (0, 0);
    'all: loop {
        take(from, to)?;
        for (counter, axis) in counter.iter_mut().zip(axes) {
            *counter += 1;
            if *counter < axis.extent {
                from += axis.from;
                to += axis.to;
                continue 'all;
            }
            *counter = 0;
            from -= (axis.extent - 1) * axis.from;
            to -= (axis.extent - 1) * axis.to;
        }
        return Ok(());
    }
}

impl LazyTensor for Strided {
    fn open<'a>(&self, file: &'a dyn Source) -> Result<Box<dyn Source + 'a>, SourceError> {
        let of = self.of.open(file)?;
        Ok(Box::new(StridedSource { of, view: self.clone(), gathered: RefCell::default() }))
    }
}

struct StridedSource<'a> {
    of: Box<dyn Source + 'a>,
    view: Strided,
    gathered: RefCell<Gathered>,
}

/// The bytes of the view that were computed last.
#[derive(Default)]
struct Gathered {
    start: u64,
    bytes: Vec<u8>,
    run: Vec<u8>,
}

impl Gathered {
    /// Computes the bytes around element `index`.
    fn fill(&mut self, of: &dyn Source, view: &Strided, index: u64) -> Result<(), SourceError> {
        let width = view.width;
        let (start, count, axes) = view.around(index);
        self.bytes.clear();
        self.bytes.resize(count as usize * width, 0);
        self.start = start * width as u64;
        let base = view.element(start);
        match width {
            1 => self.gather::<1>(of, &axes, base, 0),
            2 => self.gather::<2>(of, &axes, base, 0),
            4 => self.gather::<4>(of, &axes, base, 0),
            8 => self.gather::<8>(of, &axes, base, 0),
            _ => self.gather::<16>(of, &axes, base, 0),
        }
    }

    /// Reads a box whose first element is `from` in the whole and `to` in the view. The axes stand in
    /// the order of their distances in the whole, and the inner ones are read in one piece where they
    /// lie close together: a transposed matrix takes one read per column, not one per element.
    fn gather<const W: usize>(
        &mut self,
        of: &dyn Source,
        axes: &[Axis],
        from: u64,
        to: u64,
    ) -> Result<(), SourceError> {
        let width = W as u64;
        let (mut span, mut inner) = (1, 0);
        for axis in axes {
            let whole = span + (axis.extent - 1) * axis.from;
            if axis.from.saturating_sub(span) * width > MAX_HOLE {
                break;
            }
            if whole * width > MAX_RUN {
                // As much of this axis as may be read at once, several times, and what remains.
                let part = 1 + (MAX_RUN / width).saturating_sub(span) / axis.from;
                if part == 1 {
                    break;
                }
                let Axis { extent, from: step, to: place } = *axis;
                let mut parts = axes.to_vec();
                parts[inner].extent = part;
                let times = Axis { extent: extent / part, from: part * step, to: part * place };
                parts.insert(inner + 1, times);
                self.gather::<W>(of, &parts, from, to)?;
                if extent % part > 0 {
                    parts.remove(inner + 1);
                    parts[inner].extent = extent % part;
                    let done = extent / part * part;
                    self.gather::<W>(of, &parts, from + done * step, to + done * place)?;
                }
                return Ok(());
            }
            (span, inner) = (whole, inner + 1);
        }
        let (inner, outer) = axes.split_at(inner);
        self.run.resize((span * width) as usize, 0);
        each_element(outer, |outer_from, outer_to| {
            of.read_at((from + outer_from) * width, &mut self.run)?;
            each_element(inner, |inner_from, inner_to| {
                let (from, to) = (inner_from as usize * W, (to + outer_to + inner_to) as usize * W);
                self.bytes[to..to + W].copy_from_slice(&self.run[from..from + W]);
                Ok(())
            })
        })
    }
}

impl Source for StridedSource<'_> {
    fn len(&self) -> u64 {
        self.view.length
    }

    fn read_at(&self, mut offset: u64, mut buf: &mut [u8]) -> Result<(), SourceError> {
        check_range(offset, buf.len(), self.view.length)?;
        let mut gathered = self.gathered.borrow_mut();
        while !buf.is_empty() {
            let end = gathered.start + gathered.bytes.len() as u64;
            if !(gathered.start..end).contains(&offset) {
                let filled = gathered.fill(&*self.of, &self.view, offset / self.view.width as u64);
                if filled.is_err() {
                    *gathered = Gathered::default();
                }
                filled?;
                continue;
            }
            let skip = (offset - gathered.start) as usize;
            let n = buf.len().min(gathered.bytes.len() - skip);
            buf[..n].copy_from_slice(&gathered.bytes[skip..skip + n]);
            buf = &mut buf[n..];
            offset += n as u64;
        }
        Ok(())
    }
}

#[cfg(test)]
#[path = "lazy_tests.rs"]
mod tests;
