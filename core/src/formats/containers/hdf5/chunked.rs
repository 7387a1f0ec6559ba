//! The values of a dataset in chunks, computed when they are read: one row of chunks along the first
//! axis at a time, so that reading from front to back decodes every chunk once.

use super::chunk_index::Chunk;
use super::filters;
use super::messages::Filter;
use crate::lazy_tensor::LazyTensor;
use crate::source::{Source, SourceError, check_range};
use std::cell::RefCell;
use std::sync::Arc;

/// A dataset in chunks. The parser has checked that all sizes fit and that the chunks lie in the file.
#[derive(Debug)]
pub(super) struct Chunked {
    /// What holds the file.
    pub(super) of: Arc<dyn LazyTensor>,
    /// Extents of the dataset; at least one, and none is zero.
    pub(super) shape: Vec<u64>,
    /// Extents of a chunk.
    pub(super) chunk: Vec<u64>,
    /// Bytes of an element.
    pub(super) element: usize,
    /// Bytes of a word that is reversed; 1 where none is.
    pub(super) swap: usize,
    /// In the order in which they were applied.
    pub(super) filters: Vec<Filter>,
    /// One element, as it stands where no chunk is stored.
    pub(super) fill: Vec<u8>,
    /// The stored chunks, in the order of the grid.
    pub(super) chunks: Vec<Chunk>,
}

impl Chunked {
    /// Bytes of everything beneath one index of the first axis.
    fn row_bytes(&self) -> u64 {
        self.shape[1..].iter().product::<u64>() * self.element as u64
    }

    /// Bytes of a row of chunks within the dataset, which are held while it is read.
    fn window_bytes(&self) -> u64 {
        self.chunk[0].min(self.shape[0]) * self.row_bytes()
    }

    fn length(&self) -> u64 {
        self.shape[0] * self.row_bytes()
    }

    /// Chunks in a row of them.
    fn chunks_in_row(&self) -> u64 {
        self.shape[1..].iter().zip(&self.chunk[1..]).map(|(extent, chunk)| extent.div_ceil(*chunk)).product()
    }

    /// The values of row `number` of chunks.
    fn row(&self, file: &dyn Source, number: u64) -> Result<Vec<u8>, SourceError> {
        let window = self.window_bytes();
        let length = window.min(self.length() - number * window) as usize;
        let in_row = self.chunks_in_row();
        let first = number * in_row;
        let from = self.chunks.partition_point(|chunk| chunk.number < first);
        let count = self.chunks[from..].iter().take_while(|chunk| chunk.number - first < in_row).count();
        let chunks = &self.chunks[from..from + count];
        // A single chunk as wide as the dataset is the row, but for what hangs over its end.
        if let [chunk] = chunks
            && self.chunk[1..] == self.shape[1..]
        {
            let mut values = self.values(file, chunk)?;
            values.truncate(length);
            return Ok(values);
        }
        let mut row = filters::buffer(length)?;
        if count as u64 == in_row || self.fill.iter().all(|byte| *byte == 0) {
            row.resize(length, 0);
        } else {
            (0..length / self.element).for_each(|_| row.extend_from_slice(&self.fill));
        }
        for chunk in chunks {
            let values = self.values(file, chunk)?;
            self.place(&values, chunk.number - first, &mut row);
        }
        Ok(row)
    }

    /// Reads a chunk and undoes its filters.
    fn values(&self, file: &dyn Source, chunk: &Chunk) -> Result<Vec<u8>, SourceError> {
        let length = self.chunk.iter().product::<u64>() as usize * self.element;
        let mut stored = filters::buffer(chunk.length as usize)?;
        stored.resize(chunk.length as usize, 0);
        file.read_at(chunk.position, &mut stored)?;
        let mut values = filters::undo(&self.filters, chunk.left_out, self.element, length, stored)?;
        if self.swap > 1 {
            values.chunks_exact_mut(self.swap).for_each(<[u8]>::reverse);
        }
        Ok(values)
    }

    /// Copies a chunk's values to their place in a row of chunks; what hangs over the edge is left out.
    fn place(&self, values: &[u8], number: u64, row: &mut [u8]) {
        let rank = self.shape.len();
        // First element of the chunk along each axis, and how many of them are within the dataset.
        let (mut start, mut within) = (vec![0; rank], vec![0; rank]);
        let mut rest = number;
        for axis in (1..rank).rev() {
            let count = self.shape[axis].div_ceil(self.chunk[axis]);
            start[axis] = rest % count * self.chunk[axis];
            rest /= count;
            within[axis] = self.chunk[axis].min(self.shape[axis] - start[axis]);
        }
        within[0] = row.len() as u64 / self.row_bytes();
        let run = within[rank - 1] as usize * self.element;
        let runs: u64 = within[..rank - 1].iter().product();
        let mut coordinates = vec![0; rank];
        for _ in 0..runs {
            let place = |extents: &[u64], offset: &dyn Fn(usize) -> u64| {
                let index =
                    (0..rank).fold(0, |index, axis| index * extents[axis] + coordinates[axis] + offset(axis));
                index as usize * self.element
            };
            let (from, to) = (place(&self.chunk, &|_| 0), place(&self.shape, &|axis| start[axis]));
            row[to..to + run].copy_from_slice(&values[from..from + run]);
            for axis in (0..rank - 1).rev() {
                coordinates[axis] += 1;
                if coordinates[axis] < within[axis] {
                    break;
                }
                coordinates[axis] = 0;
            }
        }
    }
}

/// A recipe that is shared: an open dataset keeps it.
#[derive(Debug, Clone)]
pub(super) struct Recipe(pub(super) Arc<Chunked>);

impl LazyTensor for Recipe {
    fn open<'a>(&self, file: &'a dyn Source) -> Result<Box<dyn Source + 'a>, SourceError> {
        let of = self.0.of.open(file)?;
        Ok(Box::new(Open { of, dataset: self.0.clone(), row: RefCell::default() }))
    }
}

struct Open<'a> {
    of: Box<dyn Source + 'a>,
    dataset: Arc<Chunked>,
    /// The row of chunks that was read last.
    row: RefCell<Option<(u64, Vec<u8>)>>,
}

impl Source for Open<'_> {
    fn len(&self) -> u64 {
        self.dataset.length()
    }

    fn read_at(&self, mut offset: u64, mut buf: &mut [u8]) -> Result<(), SourceError> {
        check_range(offset, buf.len(), self.len())?;
        let window = self.dataset.window_bytes();
        let mut held = self.row.borrow_mut();
        while !buf.is_empty() {
            let number = offset / window;
            let row = match &mut *held {
                Some((known, row)) if *known == number => row,
                other => {
                    // The old row goes before the new one is there.
                    *other = None;
                    &mut other.insert((number, self.dataset.row(&*self.of, number)?)).1
                }
            };
            let skip = (offset - number * window) as usize;
            let n = buf.len().min(row.len() - skip);
            buf[..n].copy_from_slice(&row[skip..skip + n]);
            buf = &mut buf[n..];
            offset += n as u64;
        }
        Ok(())
    }
}

/// A dataset of which nothing is stored: one value, as often as there are elements.
#[derive(Debug, Clone)]
pub(super) struct Filled {
    pub(super) value: Arc<[u8]>,
    pub(super) length: u64,
}

impl LazyTensor for Filled {
    fn open<'a>(&self, _file: &'a dyn Source) -> Result<Box<dyn Source + 'a>, SourceError> {
        Ok(Box::new(self.clone()))
    }
}

impl Source for Filled {
    fn len(&self) -> u64 {
        self.length
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<(), SourceError> {
        check_range(offset, buf.len(), self.length)?;
        let start = (offset % self.value.len() as u64) as usize;
        for (byte, value) in buf.iter_mut().zip(self.value.iter().cycle().skip(start)) {
            *byte = *value;
        }
        Ok(())
    }
}
