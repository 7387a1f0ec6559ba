//! Whether the names of a stored model's files can be written to a folder. They come from the store, and so from
//! whoever named the files, or dumped and restored the tables: none may lead out of the folder or to another's file.

use crate::formats::error::tidy;
use std::collections::BTreeSet;

/// Folders within each other, as many as are read.
const MAX_FOLDERS: usize = 16;
/// Longest name of a file or folder (NAME_MAX of Linux).
const MAX_NAME_BYTES: usize = 255;

/// Why files cannot be written by their names.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum PathError {
    /// A name that could lead out of the folder, or that no file can have.
    #[error("\"{0}\" is no plain path of a file in a folder")]
    NotPlain(String),
    /// Two files would be one.
    #[error("two files have the name \"{0}\"")]
    Twice(String),
    /// A file would have to be a folder, too.
    #[error("\"{0}\" is a file, and also the folder of another one")]
    FileAndFolder(String),
}

/// Refuses paths that cannot all be written to one folder.
///
/// # Errors
/// [`PathError`] that names the first bad one.
pub fn check_export_paths<'p>(paths: impl Iterator<Item = &'p str> + Clone) -> Result<(), PathError> {
    let mut files = BTreeSet::new();
    for path in paths.clone() {
        let is_plain = |name: &str| {
            !name.is_empty()
                && name.len() <= MAX_NAME_BYTES
                && !matches!(name, "." | "..")
                && !name.contains('\0')
        };
        if !path.split('/').all(is_plain) || path.split('/').count() > MAX_FOLDERS + 1 {
            return Err(PathError::NotPlain(tidy(path.to_owned())));
        }
        if !files.insert(path) {
            return Err(PathError::Twice(tidy(path.to_owned())));
        }
    }
    for path in paths {
        for (end, _) in path.match_indices('/') {
            if files.contains(&path[..end]) {
                return Err(PathError::FileAndFolder(tidy(path[..end].to_owned())));
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(paths: &[&str]) -> Result<(), PathError> {
        check_export_paths(paths.iter().copied())
    }

    #[test]
    fn plain_paths_are_written() {
        assert_eq!(check(&["a", "b/c", "b/d", "…", "a.b", ".hidden", "b/e/f"]), Ok(()));
        assert_eq!(check(&[]), Ok(()));
        assert_eq!(check(&[&"f/".repeat(16), "x"].map(|path| path.trim_end_matches('/'))), Ok(()));
    }

    #[test]
    fn no_path_leads_out() {
        let long = "n".repeat(256);
        let deep = "f/".repeat(17) + "x";
        for path in [
            "..",
            ".",
            "",
            "/etc/passwd",
            "../x",
            "a/../../x",
            "a/..",
            "a//b",
            "a/",
            "./a",
            "a\0b",
            &long,
            &deep,
        ] {
            assert!(matches!(check(&["good", path]), Err(PathError::NotPlain(_))), "{path}");
        }
    }

    #[test]
    fn no_file_takes_the_place_of_another() {
        assert_eq!(check(&["a", "b", "a"]), Err(PathError::Twice("a".into())));
        assert_eq!(check(&["a/b/c", "a/b"]), Err(PathError::FileAndFolder("a/b".into())));
        assert_eq!(check(&["a", "a/b"]), Err(PathError::FileAndFolder("a".into())));
    }
}
