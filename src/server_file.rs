//! Files that are written on the server: durable, whole or not there at all.
//!
//! A file has no name until it is whole (`O_TMPFILE`), so that nothing is left of it however the backend ends.
//! Where the file system cannot do that, it has a hidden name meanwhile, under a lock: the next export to the same
//! place removes what a killed backend left. Messages name the place that the caller gave.

use crate::errors::{OrRaise, raise};
use crate::owner;
use atomizer_core::source::SourceError;
use pgrx::prelude::*;
use rustix::fs::{AtFlags, CWD, FlockOperation, Mode, OFlags};
use rustix::io::Errno;
use std::fs::File;
use std::io::Write;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::rc::Rc;

/// What `COPY … TO` gives a file: it clears the rights to write of group and others alone, whatever the server's umask.
const FILE_MODE: Mode = Mode::from_raw_mode(0o644);

/// Longest part of a file's name in its hidden name, which has to fit into the 255 bytes of a name, too.
const MAX_NAME_BYTES: usize = 200;

/// Bytes after which the disk is told to begin with them, so that it does not stand still until the file is whole.
const FLUSH_BYTES: u64 = 8 << 20;

/// What those do who may not write server files, where a path may be left out.
pub const WITHOUT_PATH: &str =
    "Without it, leave the path out: the file becomes a large object, which psql's \\lo_export fetches.";

/// Raises an error unless the caller may write server files, and the path is absolute. `without` says what those do
/// who may not.
pub fn check_may_write(path: &Path, without: &str) {
    if !owner::caller_has_role(pg_sys::ROLE_PG_WRITE_SERVER_FILES) {
        raise(
            PgSqlErrorCode::ERRCODE_INSUFFICIENT_PRIVILEGE,
            format!("permission denied to write server file \"{}\"", path.display()),
            &format!("Only members of pg_write_server_files may write server files. {without}"),
        );
    }
    if !path.is_absolute() {
        raise(
            PgSqlErrorCode::ERRCODE_INVALID_NAME,
            format!("\"{}\" is a relative path", path.display()),
            "Give an absolute path on the database server.",
        );
    }
}

/// Raises an error if a file is there that is not to be overwritten.
pub fn check_free(target: &Path, overwrite: bool) {
    if !overwrite && target.symlink_metadata().is_ok() {
        raise_exists(target);
    }
}

fn raise_exists(target: &Path) -> ! {
    raise(
        PgSqlErrorCode::ERRCODE_DUPLICATE_FILE,
        format!("file \"{}\" exists already", target.display()),
        "Choose another path, or pass overwrite => true.",
    )
}

/// Raises an error of the operating system.
pub fn raise_io(action: &'static str, path: &Path, error: impl Into<std::io::Error>) -> ! {
    Err(SourceError::Io { action, path: path.to_owned(), error: error.into() }).or_raise()
}

/// The name that a file or folder has while it is written, where it needs one.
pub fn hidden_name(name: &str) -> String {
    format!(".{}.partial", &name[..name.floor_char_boundary(MAX_NAME_BYTES)])
}

/// Opens a folder.
pub fn open_folder(path: &Path) -> Result<OwnedFd, Errno> {
    rustix::fs::open(path, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
}

/// Makes the names in a folder durable.
pub fn sync_folder(folder: impl AsFd, path: &Path) {
    match rustix::fs::fsync(folder) {
        // Some file systems cannot do that for folders, as PostgreSQL knows, too.
        Ok(()) | Err(Errno::BADF | Errno::INVAL) => {}
        Err(error) => raise_io("write", path, error),
    }
}

/// Takes the lock on a file or folder that is being written, which ends with its process. False if another has it. Where
/// the file system has no locks, nobody has.
pub fn try_lock(file: impl AsFd) -> bool {
    !matches!(rustix::fs::flock(file, FlockOperation::NonBlockingLockExclusive), Err(Errno::WOULDBLOCK))
}

/// A new file that is being written.
pub struct NewFile {
    file: File,
    folder: Rc<OwnedFd>,
    /// Where it will be: for messages.
    target: PathBuf,
    /// The name to give it where it needs one before its own.
    hidden: String,
    has_name: bool,
    /// Bytes written, and those of them that the disk was told of.
    written: u64,
    flushed: u64,
}

impl NewFile {
    /// A file that will be at a path.
    pub fn create(target: &Path) -> Self {
        let Some(name) = target.file_name() else { raise_io("create", target, Errno::ISDIR) };
        let parent = target.parent().unwrap_or(Path::new("/"));
        let folder = open_folder(parent).unwrap_or_else(|error| raise_io("create", target, error));
        Self::create_in(Rc::new(folder), hidden_name(&name.to_string_lossy()), target.to_owned())
    }

    /// A file that is written in an open folder, under a hidden name if it needs one, and will be at a path.
    pub fn create_in(folder: Rc<OwnedFd>, hidden: String, target: PathBuf) -> Self {
        let (file, has_name) = match create_unnamed(&folder) {
            Some(file) => (file, false),
            None => (create_named(&folder, &hidden, &target), true),
        };
        let new = Self { file, folder, target, hidden, has_name, written: 0, flushed: 0 };
        if let Err(error) = rustix::fs::fchmod(&new.file, FILE_MODE) {
            raise_io("create", &new.target, error);
        }
        new
    }

    /// Appends bytes.
    pub fn write(&mut self, bytes: &[u8]) {
        if let Err(error) = self.file.write_all(bytes) {
            raise_io("write", &self.target, error);
        }
        self.written += bytes.len() as u64;
        let waiting = self.written - self.flushed;
        if waiting >= FLUSH_BYTES {
            // Linux begins to write what it was asked to forget. (PostgreSQL's own pg_flush_data() makes a
            // panic of an error of the disk; here it is one of sync() later on.)
            #[cfg(target_os = "linux")]
            let _ = rustix::fs::fadvise(
                &self.file,
                self.flushed,
                std::num::NonZeroU64::new(waiting),
                rustix::fs::Advice::DontNeed,
            );
            self.flushed = self.written;
        }
    }

    /// Makes the bytes durable.
    pub fn sync(&self) {
        if let Err(error) = self.file.sync_all() {
            raise_io("write", &self.target, error);
        }
        // That may have taken long: a cancelled export leaves no file.
        pgrx::check_for_interrupts!();
    }

    /// Makes the file durable at its path.
    pub fn finish(self, overwrite: bool) {
        self.sync();
        let name = self.target.file_name().unwrap_or_default().to_owned();
        let (folder, target) = (self.folder.clone(), self.target.clone());
        self.publish(&*folder, Path::new(&name), overwrite);
        sync_folder(&*folder, target.parent().unwrap_or(&target));
    }

    /// Gives the file its name in a folder of the same file system.
    pub fn publish(mut self, folder: impl AsFd, name: &Path, overwrite: bool) {
        if !self.has_name {
            match link(&self.file, &folder, name) {
                Ok(()) => return,
                Err(Errno::EXIST) if overwrite => self.link_hidden(),
                Err(error) => self.raise_not_named(error),
            }
        }
        let renamed = if overwrite {
            rustix::fs::renameat(&*self.folder, &self.hidden, folder, name)
        } else {
            rename_to_free(&self.folder, &self.hidden, folder, name)
        };
        match renamed {
            Ok(()) => self.has_name = false,
            Err(error) => self.raise_not_named(error),
        }
    }

    /// A link replaces no file, a renamed one does.
    fn link_hidden(&mut self) {
        remove_abandoned(&self.folder, &self.hidden, &self.target);
        try_lock(&self.file);
        match link(&self.file, &*self.folder, Path::new(&self.hidden)) {
            Ok(()) => self.has_name = true,
            Err(error) => raise_io("write", &self.target, error),
        }
    }

    fn raise_not_named(&self, error: Errno) -> ! {
        if error == Errno::EXIST {
            raise_exists(&self.target);
        }
        raise_io("write", &self.target, error)
    }
}

impl Drop for NewFile {
    fn drop(&mut self) {
        if self.has_name {
            let _ = rustix::fs::unlinkat(&*self.folder, &self.hidden, AtFlags::empty());
        }
    }
}

/// The name by which an open file can be linked.
fn name_of_open(file: &File) -> String {
    format!("/proc/self/fd/{}", file.as_raw_fd())
}

/// A file without a name, which can be given one later; none where the system or the file system has no such files.
#[cfg(target_os = "linux")]
pub fn create_unnamed(folder: &OwnedFd) -> Option<File> {
    let flags = OFlags::WRONLY | OFlags::TMPFILE | OFlags::CLOEXEC;
    let file = File::from(rustix::fs::openat(folder, ".", flags, FILE_MODE).ok()?);
    Path::new(&name_of_open(&file)).exists().then_some(file)
}

/// Other systems have no such files.
#[cfg(not(target_os = "linux"))]
pub fn create_unnamed(_folder: &OwnedFd) -> Option<File> {
    None
}

fn link(file: &File, folder: impl AsFd, name: &Path) -> Result<(), Errno> {
    rustix::fs::linkat(CWD, name_of_open(file), folder, name, AtFlags::SYMLINK_FOLLOW)
}

fn create_named(folder: &OwnedFd, hidden: &str, target: &Path) -> File {
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let create = || rustix::fs::openat(folder, hidden, flags, FILE_MODE);
    let created = create().or_else(|error| {
        if error != Errno::EXIST {
            return Err(error);
        }
        remove_abandoned(folder, hidden, target);
        create()
    });
    let file = created.unwrap_or_else(|error| raise_io("create", target, error));
    try_lock(&file);
    File::from(file)
}

/// Removes the hidden file that a killed backend left, if there is one; an error if another backend writes it.
pub fn remove_abandoned(folder: &OwnedFd, hidden: &str, target: &Path) {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    match rustix::fs::openat(folder, hidden, flags, Mode::empty()) {
        Ok(file) if !try_lock(&file) => raise_in_use(target),
        Ok(_) => {}
        Err(Errno::NOENT) => return,
        Err(error) => raise_io("create", target, error),
    }
    match rustix::fs::unlinkat(folder, hidden, AtFlags::empty()) {
        Ok(()) | Err(Errno::NOENT) => {}
        Err(error) => raise_io("create", target, error),
    }
}

/// Raises the error for a place to which another backend writes.
pub fn raise_in_use(target: &Path) -> ! {
    raise(
        PgSqlErrorCode::ERRCODE_OBJECT_IN_USE,
        format!("another export is writing \"{}\"", target.display()),
        "Wait for it, or choose another path.",
    )
}

/// Renames a file, and replaces none.
fn rename_to_free(from: &OwnedFd, hidden: &str, to: impl AsFd, name: &Path) -> Result<(), Errno> {
    #[cfg(target_os = "linux")]
    match rustix::fs::renameat_with(from, hidden, to.as_fd(), name, rustix::fs::RenameFlags::NOREPLACE) {
        // Not every file system knows the flag.
        Err(Errno::INVAL | Errno::NOSYS) => {}
        result => return result,
    }
    match rustix::fs::statat(to.as_fd(), name, AtFlags::SYMLINK_NOFOLLOW) {
        Err(Errno::NOENT) => rustix::fs::renameat(from, hidden, to, name),
        Ok(_) => Err(Errno::EXIST),
        Err(error) => Err(error),
    }
}
