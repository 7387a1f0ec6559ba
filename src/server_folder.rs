//! A folder of files that is written on the server: all of them, or none.

use crate::errors::raise;
use crate::server_file::{
    NewFile, create_unnamed, hidden_name, open_folder, raise_in_use, raise_io, remove_abandoned, sync_folder,
    try_lock,
};
use pgrx::prelude::*;
use rustix::fs::{AtFlags, Dir, Mode, OFlags};
use rustix::io::Errno;
use std::collections::BTreeMap;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::rc::Rc;

/// As `FILE_MODE` of files.
const FOLDER_MODE: Mode = Mode::from_raw_mode(0o755);
/// Of a folder that is not finished.
const HIDDEN_MODE: Mode = Mode::from_raw_mode(0o700);

const FOLDER: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

/// A folder that is being filled. What of it has a name is removed again unless it is finished.
pub struct NewFolder {
    /// Where it is, or will be.
    target: PathBuf,
    /// Where files are written: the folder itself, or, as long as that is not there, the one it will be in. Files
    /// there have no names.
    writing: Rc<OwnedFd>,
    /// The folder that is filled: the target itself where that was there, or one with a hidden name beside it.
    folder: Option<Rc<OwnedFd>>,
    /// Of a new target.
    new: Option<NewTarget>,
    /// The files, by their paths from the folder on.
    files: Vec<(PathBuf, NewFile)>,
    /// Paths of files, and of folders, that have their names.
    named: Vec<PathBuf>,
    folders: BTreeMap<PathBuf, OwnedFd>,
}

/// A folder that is not there yet.
struct NewTarget {
    /// The folder that it will be in.
    parent: Rc<OwnedFd>,
    name: PathBuf,
    hidden: String,
}

impl NewFolder {
    /// Begins to fill a folder, which must be empty if it is there. A new one is made when its files are whole, so that
    /// nothing is left of a killed export; where the file system has no files without names it is made now.
    pub fn create(target: &Path) -> Self {
        let (files, named, folders) = Default::default();
        let (target, new) = (target.to_owned(), None);
        match open_folder(&target) {
            Ok(folder) => {
                check_empty(&folder, &target);
                let folder = Rc::new(folder);
                Self { target, writing: folder.clone(), folder: Some(folder), new, files, named, folders }
            }
            Err(Errno::NOENT) => {
                let new = NewTarget::of(&target);
                let has_unnamed = create_unnamed(&new.parent).is_some();
                let writing = new.parent.clone();
                let mut created =
                    Self { target, writing, folder: None, new: Some(new), files, named, folders };
                if !has_unnamed {
                    created.writing = created.folder();
                }
                created
            }
            Err(error) => raise_io("open", &target, error),
        }
    }

    /// The folder to fill, which is made if it is not there.
    fn folder(&mut self) -> Rc<OwnedFd> {
        let (new, target) = (&self.new, &self.target);
        let make = || Rc::new(new.as_ref().expect("a folder is there, or is new").create_hidden(target));
        self.folder.get_or_insert_with(make).clone()
    }

    /// Adds a file, whose path has only plain names.
    pub fn add(&mut self, path: &str, fill: impl FnOnce(&mut NewFile)) {
        let hidden = hidden_name(&self.files.len().to_string());
        let mut file = NewFile::create_in(self.writing.clone(), hidden, self.target.join(path));
        fill(&mut file);
        file.sync();
        self.files.push((path.into(), file));
    }

    /// Gives the files their names, and makes all of it durable.
    pub fn finish(mut self) {
        let root = self.folder();
        for (path, file) in std::mem::take(&mut self.files) {
            let parent = path.parent().unwrap_or(Path::new("")).to_owned();
            self.make_folders(&root, &parent);
            let name = Path::new(path.file_name().unwrap_or_default()).to_owned();
            file.publish(self.folders.get(&parent).unwrap_or(&*root), &name, false);
            self.named.push(path);
        }
        for (path, folder) in &self.folders {
            sync_folder(folder, &self.target.join(path));
        }
        sync_folder(&*root, &self.target);
        if let Some(NewTarget { parent, name, hidden }) = &self.new {
            let renamed = rustix::fs::fchmod(&*root, FOLDER_MODE)
                .and_then(|()| rustix::fs::renameat(parent, hidden, parent, name));
            match renamed {
                Ok(()) => {}
                Err(Errno::NOTEMPTY | Errno::EXIST) => raise_not_empty(&self.target),
                Err(error) => raise_io("create", &self.target, error),
            }
            sync_folder(parent, self.target.parent().unwrap_or(&self.target));
        }
        (self.folder, self.named) = Default::default();
        self.folders.clear();
    }

    fn make_folders(&mut self, root: &OwnedFd, path: &Path) {
        let mut below = PathBuf::new();
        for name in path {
            let within = self.folders.get(&below).unwrap_or(root);
            let made = rustix::fs::mkdirat(within, name, FOLDER_MODE);
            let target = self.target.join(below.join(name));
            let folder = match made {
                Err(Errno::EXIST) if self.folders.contains_key(&below.join(name)) => None,
                Err(error) => raise_io("create", &target, error),
                Ok(()) => {
                    let opened = rustix::fs::openat(within, name, FOLDER, Mode::empty());
                    let folder = opened.unwrap_or_else(|error| raise_io("create", &target, error));
                    rustix::fs::fchmod(&folder, FOLDER_MODE)
                        .unwrap_or_else(|error| raise_io("create", &target, error));
                    Some(folder)
                }
            };
            below.push(name);
            if let Some(folder) = folder {
                self.folders.insert(below.clone(), folder);
            }
        }
    }
}

impl Drop for NewFolder {
    fn drop(&mut self) {
        // Those without a name go by themselves, hidden ones by their own.
        self.files.clear();
        let Some(folder) = &self.folder else { return };
        for path in &self.named {
            let _ = rustix::fs::unlinkat(folder, path, AtFlags::empty());
        }
        for path in self.folders.keys().rev() {
            let _ = rustix::fs::unlinkat(folder, path, AtFlags::REMOVEDIR);
        }
        if let Some(NewTarget { parent, hidden, .. }) = &self.new {
            let _ = rustix::fs::unlinkat(parent, hidden, AtFlags::REMOVEDIR);
        }
    }
}

fn raise_not_empty(target: &Path) -> ! {
    raise(
        PgSqlErrorCode::ERRCODE_DUPLICATE_FILE,
        format!("directory \"{}\" is not empty", target.display()),
        "Give an empty directory, or the path of a new one.",
    )
}

/// Raises an error if something is in a folder but what a killed export may have left there.
fn check_empty(folder: &OwnedFd, target: &Path) {
    let entries = Dir::read_from(folder).unwrap_or_else(|error| raise_io("open", target, error));
    for entry in entries {
        let entry = entry.unwrap_or_else(|error| raise_io("open", target, error));
        let name = entry.file_name().to_string_lossy();
        let number = name.strip_prefix('.').and_then(|name| name.strip_suffix(".partial"));
        let is_left = number.is_some_and(|number| number.parse::<u32>().is_ok());
        if is_left {
            remove_abandoned(folder, &name, target);
        } else if name != "." && name != ".." {
            raise_not_empty(target);
        }
    }
}

impl NewTarget {
    fn of(target: &Path) -> Self {
        let Some(name) = target.file_name() else { raise_io("create", target, Errno::INVAL) };
        let parent = open_folder(target.parent().unwrap_or(Path::new("/")));
        let parent = parent.unwrap_or_else(|error| raise_io("create", target, error));
        let hidden = hidden_name(&name.to_string_lossy());
        Self { parent: Rc::new(parent), name: name.into(), hidden }
    }

    /// Makes a folder beside the target, under a hidden name and a lock.
    fn create_hidden(&self, target: &Path) -> OwnedFd {
        let make = || rustix::fs::mkdirat(&self.parent, &self.hidden, HIDDEN_MODE);
        let open = || rustix::fs::openat(&self.parent, &self.hidden, FOLDER, Mode::empty());
        let made = make().or_else(|error| {
            if error != Errno::EXIST {
                return Err(error);
            }
            // A killed export left it, unless it holds the lock still.
            let left = open()?;
            if !try_lock(&left) {
                raise_in_use(target);
            }
            // No link is followed, nor anything removed that is not the server's own.
            std::fs::remove_dir_all(target.with_file_name(&self.hidden))
                .unwrap_or_else(|error| raise_io("create", target, error));
            make()
        });
        let folder = made.and_then(|()| open()).unwrap_or_else(|error| raise_io("create", target, error));
        if !try_lock(&folder) {
            raise_in_use(target);
        }
        folder
    }
}
