//! Files of a folder of which only those read last are open. A model may have its weights in thousands of files,
//! and Postgres leaves a backend about 1000 descriptors.

use super::confined_dir::ConfinedDir;
use crate::formats::error::ParseError;
use crate::source::{FileSource, Identity, Source, SourceError, check_range};
use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;

/// Files that are open at the same time.
const MAX_OPEN: usize = 256;

/// The files that are open, the one read last in front.
pub(crate) struct Pool {
    folder: ConfinedDir,
    open: RefCell<VecDeque<(String, FileSource)>>,
}

impl Pool {
    /// Of files beneath a folder.
    pub(crate) fn new(folder: ConfinedDir) -> Rc<Self> {
        Rc::new(Self { folder, open: RefCell::default() })
    }

    /// A file of the folder.
    ///
    /// # Errors
    /// As [`ConfinedDir::file`].
    pub(crate) fn file(self: &Rc<Self>, path: &str) -> Result<PooledFile, ParseError> {
        let file = self.folder.file(path)?;
        let pooled = PooledFile {
            pool: self.clone(),
            path: path.to_owned(),
            length: file.len(),
            identity: file.identity()?,
        };
        self.keep(path, file);
        Ok(pooled)
    }

    fn keep(&self, path: &str, file: FileSource) {
        let mut open = self.open.borrow_mut();
        open.push_front((path.to_owned(), file));
        open.truncate(MAX_OPEN);
    }
}

/// A file that is opened when it is read.
pub(crate) struct PooledFile {
    pool: Rc<Pool>,
    path: String,
    length: u64,
    identity: Identity,
}

impl Source for PooledFile {
    fn len(&self) -> u64 {
        self.length
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<(), SourceError> {
        check_range(offset, buf.len(), self.length)?;
        let found = {
            let mut open = self.pool.open.borrow_mut();
            let place = open.iter().position(|(path, _)| *path == self.path);
            // Most reads are of the file read last, which stays where it is.
            if let Some(file) = place.filter(|place| *place > 0).and_then(|place| open.remove(place)) {
                open.push_front(file);
            }
            place.is_some()
        };
        if !found {
            let file =
                self.pool.folder.file(&self.path).map_err(|error| SourceError::Other(error.to_string()))?;
            if file.identity()? != self.identity || file.len() != self.length {
                return Err(SourceError::Other(format!(
                    "file \"{}\" was replaced while it was read",
                    self.path
                )));
            }
            self.pool.keep(&self.path, file);
        }
        let open = self.pool.open.borrow();
        open.front().expect("the file was put in front").1.read_at(offset, buf)
    }
}
