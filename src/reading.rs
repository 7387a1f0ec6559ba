//! Functions on model files: nothing is stored, and only what is asked for is read.

use crate::errors::{OrRaise, Raise, raise, require_arg};
use crate::names::ModelId;
use crate::server_path::ServerPath;
use crate::sources::{self, ModelLocation};
use crate::sql_types::{Bytea, JsonbText, LayerType, ModelFormat, QuantizationType, TensorDtype};
use atomizer_core::coefficient::position;
use atomizer_core::dtype::Dtype;
use atomizer_core::formats::error::tidy_to;
use atomizer_core::formats::{self, Detail, FileSet};
use atomizer_core::layers;
use atomizer_core::metadata;
use atomizer_core::model::{Model, Tensor};
use atomizer_core::source::{Source, SourceError};
use atomizer_core::weight_stream::{TensorBytes, WeightStream};
use atomizer_core::weights::DecodeError;
use pgrx::memcxt::PgMemoryContexts;
use pgrx::pg_sys::panic::ErrorReport;
use pgrx::prelude::*;
use std::rc::Rc;

/// Most bytes of one bytea: Postgres' limit on any value, less its header.
pub const MAX_BYTEA: u64 = 0x3fff_ff00;

/// Most bytes of a bytea and a name in one row, which Postgres makes one value of; the other columns are short.
const MAX_ROW_BYTES: u64 = MAX_BYTEA - (1 << 20);

/// The block quantization of a data type, if it is one.
pub fn quantization(dtype: Dtype) -> Option<QuantizationType> {
    dtype.is_quantized().then(|| QuantizationType(dtype.name()))
}

/// A shape as SQL's bigint[].
pub fn shape_array(shape: &[u64]) -> Vec<i64> {
    shape.iter().map(|extent| *extent as i64).collect()
}

#[pg_extern(volatile, parallel_safe, cost = 10000)]
fn detect_model_format(
    model_bytes: default!(Option<&[u8]>, "NULL"),
    model_lo: default!(Option<pg_sys::Oid>, "NULL"),
    model_path: default!(Option<ServerPath>, "NULL"),
) -> ModelFormat {
    if model_bytes.is_none() && model_lo.is_none() && model_path.is_none() {
        raise(
            PgSqlErrorCode::ERRCODE_INVALID_PARAMETER_VALUE,
            "give the model as model_bytes, model_lo or model_path",
            "For example: model_path => '/models/tiny.gguf'.",
        );
    }
    let location =
        ModelLocation { bytes: model_bytes, lo: model_lo, path: model_path.as_deref(), model: None };
    ModelFormat(formats::detect_files(&sources::open(location)).or_raise().name())
}

#[pg_extern(volatile, parallel_safe, cost = 10000)]
fn model_metadata(
    model_bytes: default!(Option<&[u8]>, "NULL"),
    model_format: default!(Option<&str>, "NULL"),
    full_arrays: default!(Option<bool>, "false"),
    model_lo: default!(Option<pg_sys::Oid>, "NULL"),
    model_path: default!(Option<ServerPath>, "NULL"),
    model: default!(Option<ModelId>, "NULL"),
) -> JsonbText {
    let full_arrays = require_arg("full_arrays", full_arrays);
    let location = ModelLocation { bytes: model_bytes, lo: model_lo, path: model_path.as_deref(), model };
    let detail = if full_arrays { Detail::Full } else { Detail::Summary };
    let (_, model) = sources::parse(location, model_format, detail);
    JsonbText(metadata::to_json(&model.metadata))
}

#[allow(clippy::type_complexity)]
#[pg_extern(name = "list_tensors", volatile, parallel_safe, cost = 10000)]
pub fn list_layers(
    model_bytes: default!(Option<&[u8]>, "NULL"),
    model_format: default!(Option<&str>, "NULL"),
    model_lo: default!(Option<pg_sys::Oid>, "NULL"),
    model_path: default!(Option<ServerPath>, "NULL"),
    model: default!(Option<ModelId>, "NULL"),
    layers: default!(Option<&str>, "NULL"),
    strict: default!(Option<bool>, "false"),
) -> TableIterator<
    'static,
    (
        name!(layer_name, String),
        name!(layer_idx, Option<i32>),
        name!(layer_type, LayerType),
        name!(shape, Vec<i64>),
        name!(data_type, TensorDtype),
        name!(quantization_type, Option<QuantizationType>),
        name!(weight_count, i64),
        name!(byte_length, i64),
        name!(file_no, i32),
        name!(file_offset, Option<i64>),
    ),
> {
    let location = ModelLocation { bytes: model_bytes, lo: model_lo, path: model_path.as_deref(), model };
    let strict = require_arg("strict", strict);
    let (_, mut model) = sources::parse(location, model_format, Detail::Summary);
    if !refuse_unlisted(&model, strict) {
        tell_unlisted(&model);
    }
    choose_layers(&mut model.tensors, layers);
    TableIterator::new(model.tensors.into_iter().map(|tensor| {
        (
            tensor.name.clone(),
            layers::index(&tensor.name),
            LayerType(layers::classify(&tensor.name).name()),
            shape_array(&tensor.shape),
            TensorDtype(tensor.dtype.name()),
            quantization(tensor.dtype),
            tensor.weight_count as i64,
            tensor.byte_length as i64,
            tensor.file_no as i32,
            tensor.range().map(|range| range.offset as i64),
        )
    }))
}

/// Reasons that a message names.
const MAX_REASONS: usize = 3;
/// Longest reason in a message.
const MAX_REASON_BYTES: usize = 300;

/// What is in a model's files and not listed as a tensor, in words: how much, and why the first ones are not.
fn unlisted_message(model: &Model) -> Option<String> {
    let (count, reasons) = model.unlisted();
    let mut first: Vec<String> = reasons
        .iter()
        .take(MAX_REASONS)
        .map(|reason| tidy_to((*reason).to_owned(), MAX_REASON_BYTES))
        .collect();
    if count > MAX_REASONS as u64 {
        first.push("…".into());
    }
    let things = if count == 1 { "thing in the model is" } else { "things in the model are" };
    (count > 0).then(|| format!("{count} {things} not listed as a tensor: {}", first.join("; ")))
}

/// Where the caller wants all or nothing, an error when not everything is listed.
fn refuse_unlisted(model: &Model, strict: bool) -> bool {
    if strict && let Some(message) = unlisted_message(model) {
        raise(
            PgSqlErrorCode::ERRCODE_FEATURE_NOT_SUPPORTED,
            message,
            "model_metadata has them all, as unlisted_tensors; without strict, the others are given.",
        )
    }
    strict
}

fn tell_unlisted(model: &Model) {
    if let Some(message) = unlisted_message(model) {
        ErrorReport::new(PgSqlErrorCode::ERRCODE_SUCCESSFUL_COMPLETION, message, "atomizer")
            .set_hint("model_metadata has them all, as unlisted_tensors; strict => true makes this an error.")
            .report(PgLogLevel::NOTICE);
    }
}

/// Keeps the tensors whose names match a pattern of LIKE; all of them when there is none.
fn choose_layers(tensors: &mut Vec<Tensor>, layers: Option<&str>) {
    let Some(layers) = layers else { return };
    let textlike = pg_sys::Oid::from(pg_sys::F_TEXTLIKE);
    let text = |name: &str| name.into_datum().expect("a text is not null");
    // There may be many names, each of which is soon forgotten.
    let mut names = PgMemoryContexts::new("atomizer layer names");
    tensors.retain(|tensor| {
        pgrx::check_for_interrupts!();
        // SAFETY: textlike takes two texts, which live until the context is reset, and returns a boolean. By the
        // collation C, it compares the characters of the database's encoding.
        let matches = unsafe {
            names.switch_to(|_| {
                let (name, pattern) = (text(&tensor.name), text(layers));
                pg_sys::OidFunctionCall2Coll(textlike, pg_sys::C_COLLATION_OID, name, pattern).value() != 0
            })
        };
        // SAFETY: nothing that was allocated in it is used any more.
        unsafe { names.reset() };
        matches
    });
}

/// A copy of the caller's bytes, or a source of its own: what a set-returning function may keep
/// between its rows.
fn open_kept(
    model_bytes: Option<&[u8]>,
    model_lo: Option<pg_sys::Oid>,
    model_path: Option<ServerPath>,
    model: Option<ModelId>,
    model_format: Option<&str>,
    layers: Option<&str>,
    strict: Option<bool>,
) -> (FileSet<'static>, Vec<Tensor>) {
    let strict = require_arg("strict", strict);
    // SAFETY: the argument is copied to, or already lives in, the memory context of the whole call,
    // which pgrx makes current before a set-returning function builds its iterator, and which ends
    // after the iterator is dropped.
    let kept: Option<&'static [u8]> = model_bytes.map(|bytes| unsafe { keep(bytes) });
    let location = ModelLocation { bytes: kept, lo: model_lo, path: model_path.as_deref(), model };
    let (files, mut model) = sources::parse(location, model_format, Detail::Summary);
    refuse_unlisted(&model, strict);
    choose_layers(&mut model.tensors, layers);
    (files, model.tensors)
}

/// Copies bytes to the current memory context.
///
/// # Safety
/// The caller must not use the bytes after that context is reset.
unsafe fn keep(bytes: &[u8]) -> &'static [u8] {
    // SAFETY: palloc gives as many bytes as asked for, or raises an error.
    unsafe {
        let copy = pg_sys::MemoryContextAllocExtended(
            pg_sys::CurrentMemoryContext,
            bytes.len().max(1),
            pg_sys::MCXT_ALLOC_HUGE as i32,
        )
        .cast::<u8>();
        std::ptr::copy_nonoverlapping(bytes.as_ptr(), copy, bytes.len());
        std::slice::from_raw_parts(copy, bytes.len())
    }
}

/// What `extract_model_weights` does, which is a statement around it in SQL, so that it streams in `FROM`, too.
#[allow(clippy::type_complexity)]
#[pg_extern(
    schema = "atomizer_internal",
    name = "extract_model_weights",
    volatile,
    parallel_safe,
    cost = 10000
)]
pub fn _extract_model_weights(
    model_bytes: Option<&[u8]>,
    model_format: Option<&str>,
    model_lo: Option<pg_sys::Oid>,
    model_path: Option<ServerPath>,
    model: Option<ModelId>,
    layers: Option<&str>,
    strict: Option<bool>,
) -> TableIterator<
    'static,
    (
        name!(layer_name, String),
        name!(shape, Vec<i64>),
        name!(data_type, TensorDtype),
        name!(weight_data, Bytea),
        name!(quantization_type, Option<QuantizationType>),
        name!(quantization_scale, Option<f64>),
        name!(quantization_zero_point, Option<i32>),
    ),
> {
    let (files, tensors) = open_kept(model_bytes, model_lo, model_path, model, model_format, layers, strict);
    TableIterator::new(tensors.into_iter().map(move |tensor| {
        pgrx::check_for_interrupts!();
        if tensor.byte_length.saturating_add(tensor.name.len() as u64) > MAX_ROW_BYTES {
            raise(
                PgSqlErrorCode::ERRCODE_PROGRAM_LIMIT_EXCEEDED,
                format!("tensor \"{}\" has {} bytes, more than a row can hold", tensor.name, tensor.byte_length),
                "Read it in pieces with stream_atomic_weights_chunked, or ingest the model and use tensor_bytes.",
            );
        }
        let bytes = Bytea::filled(tensor.byte_length as usize, |out| {
            files.open_tensor(&tensor).and_then(|source| source.read_at(0, out)).or_raise();
        });
        // Blocks carry their own scales: these two are of tensors that are quantized as a whole.
        let (scale, zero_point) = (tensor.affine.map(|affine| affine.scale), tensor.affine.map(|affine| affine.zero_point));
        (tensor.name, shape_array(&tensor.shape), TensorDtype(tensor.dtype.name()), bytes, quantization(tensor.dtype), scale, zero_point)
    }))
}

/// The columns of one weight.
type WeightRow = (String, Option<i32>, i32, i32, i64, f32, Vec<u8>, Vec<u8>);

type OpenSource<'a> = Box<dyn Source + 'a>;

self_cell::self_cell!(
    /// A tensor's source, with the files it reads.
    struct OpenTensor {
        owner: Rc<FileSet<'static>>,
        #[covariant]
        dependent: OpenSource,
    }
);

/// The files of a model, with the tensor that is open: where it is computed, reading on is cheap.
struct OpenTensors {
    files: Rc<FileSet<'static>>,
    open: Option<(usize, OpenTensor)>,
}

impl TensorBytes for OpenTensors {
    type Error = StreamError;

    fn read(
        &mut self,
        index: usize,
        tensor: &Tensor,
        offset: u64,
        buf: &mut [u8],
    ) -> Result<(), StreamError> {
        pgrx::check_for_interrupts!();
        let open = match self.open.take().filter(|(open, _)| *open == index) {
            Some((_, open)) => open,
            None => OpenTensor::try_new(self.files.clone(), |files| files.open_tensor(tensor))?,
        };
        let (_, open) = self.open.insert((index, open));
        Ok(open.borrow_dependent().read_at(offset, buf)?)
    }
}

/// Why a stream of weights ends early.
enum StreamError {
    Source(SourceError),
    Decode(DecodeError),
}

impl From<SourceError> for StreamError {
    fn from(error: SourceError) -> Self {
        Self::Source(error)
    }
}

impl From<DecodeError> for StreamError {
    fn from(error: DecodeError) -> Self {
        Self::Decode(error)
    }
}

impl Raise for StreamError {
    fn raise(self) -> ! {
        match self {
            Self::Source(error) => error.raise(),
            Self::Decode(error) => error.raise(),
        }
    }
}

/// The row of the stream's next weight.
fn next_row(stream: &mut WeightStream, tensors: &mut OpenTensors) -> Option<WeightRow> {
    stream.next(tensors).or_raise().map(|weight| {
        let (x, y, z) = position(&weight.tensor.shape, weight.index);
        (
            weight.tensor.name.clone(),
            layers::index(&weight.tensor.name),
            x as i32,
            y as i32,
            z as i64,
            weight.value,
            weight.atomic_value.as_bytes().to_vec(),
            weight.atomic_value.hash().to_vec(),
        )
    })
}

/// What `stream_atomic_weights_chunked` does, which is a statement around it in SQL.
#[allow(clippy::type_complexity, clippy::too_many_arguments)]
#[pg_extern(
    schema = "atomizer_internal",
    name = "stream_atomic_weights_chunked",
    volatile,
    parallel_safe,
    cost = 10000
)]
pub fn _stream_atomic_weights_chunked(
    model_bytes: Option<&[u8]>,
    model_format: Option<&str>,
    offset: Option<i64>,
    chunk_size: Option<i64>,
    model_lo: Option<pg_sys::Oid>,
    model_path: Option<ServerPath>,
    model: Option<ModelId>,
    layers: Option<&str>,
    strict: Option<bool>,
) -> TableIterator<
    'static,
    (
        name!(layer_name, String),
        name!(layer_idx, Option<i32>),
        name!(position_x, i32),
        name!(position_y, i32),
        name!(position_z, i64),
        name!(weight, f32),
        name!(atomic_value, Vec<u8>),
        name!(content_hash, Vec<u8>),
    ),
> {
    let offset = require_arg("offset", offset);
    let chunk_size = require_arg("chunk_size", chunk_size);
    if offset < 0 || chunk_size < 0 {
        raise(
            PgSqlErrorCode::ERRCODE_INVALID_PARAMETER_VALUE,
            format!("offset and chunk_size must not be negative, but are {offset} and {chunk_size}"),
            "",
        );
    }
    let (files, tensors) = open_kept(model_bytes, model_lo, model_path, model, model_format, layers, strict);
    let mut stream = WeightStream::new(tensors, offset as u64, chunk_size as u64);
    let mut tensors = OpenTensors { files: Rc::new(files), open: None };
    TableIterator::new(std::iter::from_fn(move || next_row(&mut stream, &mut tensors)))
}
