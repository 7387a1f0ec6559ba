//! From the arguments of a function to the files of a model: bytes, a large object, a server file,
//! or a model of the store.

use crate::errors::{OrRaise, raise};
use crate::names::ModelId;
use crate::{owner, store, threads};
use atomizer_core::formats::safety::open_path;
use atomizer_core::formats::{self, Detail, FileSet};
use atomizer_core::layers::is_diffusion;
use atomizer_core::model::{Format, Model};
use atomizer_core::source::{Source, SourceError, check_range};
use pgrx::memcxt::PgMemoryContexts;
use pgrx::prelude::*;
use std::path::Path;

/// Where a caller says a model is.
#[derive(Default)]
pub struct ModelLocation<'a, 'p> {
    /// The file itself.
    pub bytes: Option<&'a [u8]>,
    /// A large object that holds the file.
    pub lo: Option<pg_sys::Oid>,
    /// A path on the server.
    pub path: Option<&'p Path>,
    /// A model of the store.
    pub model: Option<ModelId>,
}

/// Opens the one source that was given.
pub fn open<'a>(location: ModelLocation<'a, '_>) -> FileSet<'a> {
    threads::start();
    match location {
        ModelLocation { bytes: Some(bytes), lo: None, path: None, model: None } => {
            let files = FileSet::unnamed(Box::new(bytes));
            check_is_no_name(bytes, &files);
            files
        }
        ModelLocation { bytes: None, lo: Some(lo), path: None, model: None } => {
            FileSet::unnamed(Box::new(LargeObject::open(lo)))
        }
        ModelLocation { bytes: None, lo: None, path: Some(path), model: None } => {
            check_may_read_files(path);
            formats::open_path(path).or_raise()
        }
        ModelLocation { bytes: None, lo: None, path: None, model: Some(model) } => store::open_files(model.0),
        _ => raise(
            PgSqlErrorCode::ERRCODE_INVALID_PARAMETER_VALUE,
            "give the model once: as model_bytes, model_lo or model_path, or a stored one as model",
            "For example: model_path => '/models/tiny.gguf', or model => 'tiny'.",
        ),
    }
}

/// What is examined, by the names of its parts.
pub struct Examined<'a> {
    /// The files.
    pub files: FileSet<'a>,
    /// What could not be opened, and why.
    pub unopened: Vec<(String, String)>,
}

/// Opens the one source that was given, to be examined: also where no model can be opened.
pub fn open_to_examine<'a>(location: ModelLocation<'a, '_>) -> Examined<'a> {
    match location {
        ModelLocation { bytes: None, lo: None, path: Some(path), model: None } => {
            check_may_read_files(path);
            let opened = open_path(path).or_raise();
            Examined { files: opened.files, unopened: opened.unopened }
        }
        // A configuration is text, and not the name of a file.
        ModelLocation { bytes: Some(bytes), lo: None, path: None, model: None }
            if bytes.trim_ascii_start().starts_with(b"{") || bytes.trim_ascii_start().starts_with(b"[") =>
        {
            Examined { files: FileSet::unnamed(Box::new(bytes)), unopened: Vec::new() }
        }
        location => Examined { files: open(location), unopened: Vec::new() },
    }
}

/// A path or a name that is not named is taken for the bytes of a file, which come first: says so.
fn check_is_no_name(bytes: &[u8], files: &FileSet) {
    /// Longest path (PATH_MAX of Linux).
    const MAX_PATH_BYTES: usize = 4096;
    let text = str::from_utf8(bytes)
        .ok()
        .filter(|text| !text.is_empty() && text.len() <= MAX_PATH_BYTES && !text.contains(char::is_control));
    let is_path = |text: &str| text.contains(['/', '\\']) || Path::new(text).extension().is_some();
    let text = text.filter(|text| is_path(text) || !text.contains(char::is_whitespace));
    let Some(text) = text.filter(|_| formats::detect_files(files).is_err()) else {
        return;
    };
    let name = if is_path(text) { "model_path" } else { "model" };
    raise(
        PgSqlErrorCode::ERRCODE_INVALID_PARAMETER_VALUE,
        format!("model_bytes is the text \"{text}\", not the bytes of a model file"),
        &format!(
            "The first argument is a file's bytes. Name what you mean: {name} => '{}'.",
            text.replace('\'', "''")
        ),
    )
}

/// Opens a source and parses its headers.
pub fn parse<'a>(
    location: ModelLocation<'a, '_>,
    format: Option<&str>,
    detail: Detail,
) -> (FileSet<'a>, Model) {
    let format = format.map(NamedFormat::from_name);
    let files = open(location);
    let model = parse_files(&files, format, detail);
    (files, model)
}

/// Parses the headers of open files, which must be what the caller says.
pub fn parse_files(files: &FileSet, format: Option<NamedFormat>, detail: Detail) -> Model {
    let expected = match format {
        Some(NamedFormat::Format(format)) => Some(format),
        Some(NamedFormat::StableDiffusion) | None => None,
    };
    let model = formats::parse(files, expected, detail).or_raise();
    if format == Some(NamedFormat::StableDiffusion) && !is_diffusion(&model.architecture) {
        raise(
            PgSqlErrorCode::ERRCODE_INVALID_BINARY_REPRESENTATION,
            format!(
                "the format was given as StableDiffusion, but the content is {} of architecture {}",
                model.format.name(),
                model.architecture
            ),
            "Leave the format out to have it detected from the content.",
        )
    }
    model
}

/// The format a caller names: one of files, or diffusion models in whatever files.
#[derive(Clone, Copy, PartialEq)]
pub enum NamedFormat {
    Format(Format),
    StableDiffusion,
}

impl NamedFormat {
    /// The format of a name, in any case.
    pub fn from_name(name: &str) -> Self {
        if name.eq_ignore_ascii_case(Self::StableDiffusion.label()) {
            return Self::StableDiffusion;
        }
        Format::from_name(name).map(Self::Format).unwrap_or_else(|| {
            raise(
                PgSqlErrorCode::ERRCODE_INVALID_PARAMETER_VALUE,
                format!("model format \"{name}\" is not known"),
                &format!(
                    "Known are {} and StableDiffusion; leave the format out to have it detected from the content.",
                    Format::ALL.map(Format::name).join(", ")
                ),
            )
        })
    }

    /// The label in the enum `model_format`.
    pub fn label(self) -> &'static str {
        match self {
            Self::Format(format) => format.name(),
            Self::StableDiffusion => "StableDiffusion",
        }
    }
}

/// Server files are for members of pg_read_server_files, as with COPY.
fn check_may_read_files(path: &Path) {
    if !owner::caller_has_role(pg_sys::ROLE_PG_READ_SERVER_FILES) {
        raise(
            PgSqlErrorCode::ERRCODE_INSUFFICIENT_PRIVILEGE,
            format!("permission denied to read server file \"{}\"", path.display()),
            "Only members of pg_read_server_files may read server files. Without it, pass the model as model_bytes, or load it with psql's \\lo_import and pass model_lo.",
        );
    }
    if !path.is_absolute() {
        raise(
            PgSqlErrorCode::ERRCODE_INVALID_NAME,
            format!("\"{}\" is a relative path", path.display()),
            "Give the absolute path of a file on the database server.",
        );
    }
}

/// Raises an error for a source that the caller may not read.
pub fn check_may_read(path: Option<&Path>, lo: Option<pg_sys::Oid>) {
    if let Some(path) = path {
        check_may_read_files(path);
    }
    if let Some(lo) = lo.filter(|lo| !may_read(owner::caller_id(), None, Some(*lo))) {
        raise(
            PgSqlErrorCode::ERRCODE_INSUFFICIENT_PRIVILEGE,
            format!("permission denied for large object {}", lo.to_u32()),
            "Its owner can GRANT SELECT ON LARGE OBJECT.",
        );
    }
}

/// Whether a role may read a source: a server file or a large object.
pub fn may_read(role: pg_sys::Oid, path: Option<&Path>, lo: Option<pg_sys::Oid>) -> bool {
    // The setting for applications of before 9.0, when large objects had no rights.
    let all_may = || owner::setting(c"lo_compat_privileges").as_deref() == Some("on");
    // SAFETY: a plain call within a transaction; it raises an error for an object that is not there.
    let may_read_object = |lo| unsafe {
        let right = pg_sys::AclMode::from(pg_sys::ACL_SELECT);
        pg_sys::pg_largeobject_aclcheck_snapshot(lo, role, right, pg_sys::GetActiveSnapshot())
            == pg_sys::AclResult::ACLCHECK_OK
            || all_may()
    };
    path.is_none_or(|_| owner::has_role(role, pg_sys::ROLE_PG_READ_SERVER_FILES))
        && lo.is_none_or(may_read_object)
}

/// Removes a large object of the caller's. Others' is kept, as is one that is gone.
pub fn unlink(oid: pg_sys::Oid) {
    let is_own = owner::read_value::<bool>(
        "SELECT pg_has_role($1, lomowner, 'USAGE') FROM pg_largeobject_metadata WHERE oid = $2",
        &[owner::caller(), oid.into()],
    );
    match is_own {
        // SAFETY: an SQL-callable function, called with the argument its SQL signature names.
        Some(true) => unsafe {
            pgrx::direct_function_call::<i32>(pg_sys::be_lo_unlink, &[oid.into_datum()]);
        },
        Some(false) => warning!("large object {} is kept: it is not yours to remove", oid.to_u32()),
        None => {}
    }
}

/// A large object, read with the caller's own rights.
struct LargeObject {
    oid: pg_sys::Oid,
    length: u64,
}

impl LargeObject {
    fn open(oid: pg_sys::Oid) -> Self {
        const INV_READ: i32 = 0x4_0000;
        const SEEK_END: i32 = 2;
        // SAFETY: SQL-callable functions, called with the arguments their SQL signatures name.
        let length = unsafe {
            let call = |function, args: &[Option<pg_sys::Datum>]| {
                pgrx::direct_function_call::<i64>(function, args).expect("these functions return no null")
            };
            let fd = pgrx::direct_function_call::<i32>(
                pg_sys::be_lo_open,
                &[oid.into_datum(), INV_READ.into_datum()],
            );
            let length =
                call(pg_sys::be_lo_lseek64, &[fd.into_datum(), 0i64.into_datum(), SEEK_END.into_datum()]);
            pgrx::direct_function_call::<i32>(pg_sys::be_lo_close, &[fd.into_datum()]);
            length
        };
        Self { oid, length: length as u64 }
    }
}

impl Source for LargeObject {
    fn len(&self) -> u64 {
        self.length
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<(), SourceError> {
        check_range(offset, buf.len(), self.length)?;
        // SAFETY: a SQL-callable function with the arguments of its SQL signature; what it returns
        // is copied out before its memory context goes.
        let copy = |_: &mut PgMemoryContexts| unsafe {
            let bytes: &[u8] = pgrx::direct_function_call(
                pg_sys::be_lo_get_fragment,
                &[self.oid.into_datum(), (offset as i64).into_datum(), (buf.len() as i32).into_datum()],
            )
            .unwrap_or_default();
            if bytes.len() != buf.len() {
                return Err(SourceError::Other(format!(
                    "large object {} was truncated while it was read: {} bytes at byte {offset} are gone",
                    self.oid.to_u32(),
                    buf.len() - bytes.len()
                )));
            }
            buf.copy_from_slice(bytes);
            Ok(())
        };
        // SAFETY: nothing that was allocated in the context outlives it.
        unsafe { PgMemoryContexts::new("atomizer large object").switch_to(copy) }
    }
}
