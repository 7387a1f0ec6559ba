//! Filling `atom_embedding`: one step of the procedure `spatialize_model`, which commits after each.

use super::curves::default_grid;
use super::geometry::PointZ;
use crate::access::{self, StoredTensor};
use crate::errors::{OrRaise, raise};
use crate::heap::{ColumnType, Table, bytea};
use crate::progress::{self, Subject};
use crate::{owner, statistics, tensors};
use atomizer_core::curve::Curve;
use atomizer_core::hash::Hash;
use atomizer_core::progress::{Phase, Unit, Work};
use atomizer_core::projection::{DEFAULT_SEED, Projection};
use atomizer_core::rows::RowLayout;
use atomizer_core::sketch::{DIMENSION, Sketch};
use pgrx::enum_helper::lookup_enum_by_label;
use pgrx::prelude::*;
use std::time::{Duration, Instant};

/// A step ends after this time: then it is committed, and a crash loses no more.
const STEP: Duration = Duration::from_millis(500);
/// Contents begun in one step at most: each holds a lock in the server's table of locks.
const STEP_CONTENTS: usize = 200;
/// Weights of rows in memory at a time: 16 MiB.
const PIECE_WEIGHTS: u64 = 4 << 20;
/// Number of the row that stands for a tensor as a whole.
pub const WHOLE: i64 = -1;

/// What is placed.
#[derive(Clone, Copy, PartialEq)]
pub enum Granularity {
    Tensor,
    Row,
}

impl Granularity {
    /// By its name in SQL.
    pub fn from_name(name: &str) -> Self {
        match name.to_ascii_lowercase().as_str() {
            "tensor" => Self::Tensor,
            "row" => Self::Row,
            _ => raise(
                PgSqlErrorCode::ERRCODE_INVALID_PARAMETER_VALUE,
                format!("there is no granularity \"{name}\""),
                "tensor and row are granularities.",
            ),
        }
    }
}

/// What a step has done.
#[derive(Default)]
struct Step {
    /// Weights of the tensor it ended in that are done with.
    weights_of_last: u64,
    contents: usize,
    notices: Vec<String>,
}

#[allow(clippy::type_complexity)]
#[pg_extern(schema = "atomizer_internal", name = "spatialize_step", volatile, parallel_unsafe)]
fn _spatialize_step(
    model_id: i64,
    granularity: &str,
    from_tensor: i32,
) -> TableIterator<
    'static,
    (
        name!(next_tensor, Option<i32>),
        name!(weights_done, i64),
        name!(total_weights, i64),
        name!(notices, Vec<String>),
    ),
> {
    let granularity = Granularity::from_name(granularity);
    crate::threads::start();
    let model = access::complete_model(model_id);
    let weights = |tensors: &[StoredTensor]| tensors.iter().map(|tensor| tensor.weight_count).sum::<i64>();
    let total = weights(&model.tensors);
    let (begun, mut step) = (Instant::now(), Step::default());
    let from = from_tensor.max(0) as usize;
    let done_before = weights(model.tensors.get(..from).unwrap_or_default());
    progress::step(
        Work::Spatialize,
        Subject::model(model_id),
        Phase::Placing,
        Unit::Weights,
        done_before as u64,
        total as u64,
    );
    let mut next = from;
    while let Some(tensor) = model.tensors.get(next) {
        pgrx::check_for_interrupts!();
        if !step.place(tensor, granularity, begun + STEP) {
            break;
        }
        next += 1;
        step.weights_of_last = 0;
        if begun.elapsed() >= STEP || step.contents >= STEP_CONTENTS {
            break;
        }
    }
    if granularity == Granularity::Tensor {
        copy_to_tensor_atoms(model_id, from, next);
    }
    let more = next < model.tensors.len();
    let done = weights(&model.tensors[..next.min(model.tensors.len())]) + step.weights_of_last as i64;
    progress::set_done(done as u64);
    if !more {
        statistics::analyze_unknown(&["atom_embedding"]);
        progress::finish();
    }
    TableIterator::once((more.then_some(next as i32), done, total, step.notices))
}

impl Step {
    /// Places a tensor, or its rows, unless another tensor of the same content was placed before.
    /// False when there is more to do, in the next step.
    fn place(&mut self, tensor: &StoredTensor, granularity: Granularity, until: Instant) -> bool {
        let layout = RowLayout::for_tensor(&tensor.shape, tensor.dtype);
        let end = match (granularity, &layout) {
            (Granularity::Tensor, _) => 0,
            (Granularity::Row, Some(layout)) => layout.rows as i64,
            (Granularity::Row, None) => return true,
        };
        if !tensor.dtype.is_decodable() {
            self.notices.push(format!(
                "tensor \"{}\" is left out: weights of type {} can't be decoded",
                tensor.layer_name,
                tensor.dtype.name()
            ));
            return true;
        }
        let is_done = |last: Option<i64>| last.is_some_and(|last| last + 1 >= end);
        if is_done(last_row(tensor, granularity)) {
            return true;
        }
        // One session places a content. It waits for another one's only while it holds no such lock
        // itself, so that no two can wait for each other.
        if !lock(&tensor.content_hash, self.contents == 0) {
            return false;
        }
        self.contents += 1;
        let last = last_row(tensor, granularity);
        match layout {
            _ if is_done(last) => true,
            Some(layout) if granularity == Granularity::Row => {
                self.place_rows(tensor, &layout, last.map_or(0, |last| last + 1) as u64, until)
            }
            _ => {
                self.insert(tensor, &mut [(WHOLE, place_whole(tensor))].into_iter());
                true
            }
        }
    }

    fn place_rows(&mut self, tensor: &StoredTensor, layout: &RowLayout, from: u64, until: Instant) -> bool {
        let projection = Projection::cached(DEFAULT_SEED, layout.width as usize).or_raise();
        let piece_rows = (PIECE_WEIGHTS / layout.width).max(1);
        let mut first = from;
        while first < layout.rows {
            pgrx::check_for_interrupts!();
            let count = piece_rows.min(layout.rows - first);
            let weights = tensors::read_weights(tensor, first * layout.width, count * layout.width);
            let weights = weights.into_f32();
            let placed = projection.place_finite(&weights).or_raise();
            let left_out = count - placed.len() as u64;
            if left_out > 0 {
                self.notices.push(format!(
                    "{left_out} rows of tensor \"{}\" are left out: they hold NaN or infinities",
                    tensor.layer_name
                ));
            }
            self.insert(
                tensor,
                &mut placed.into_iter().map(|(row, point)| (first as i64 + row as i64, point)),
            );
            first += count;
            if Instant::now() >= until && first < layout.rows {
                self.weights_of_last = first * layout.width;
                return false;
            }
        }
        true
    }

    fn insert(&mut self, tensor: &StoredTensor, rows: &mut dyn Iterator<Item = (i64, [f64; 3])>) {
        let grid = default_grid();
        let data_type = lookup_enum_by_label("atomizer.tensor_dtype", tensor.dtype.name());
        let columns = [
            ("content_hash", ColumnType::Bytea),
            ("data_type", ColumnType::Enum("tensor_dtype")),
            ("row_width", ColumnType::Bigint),
            ("row_no", ColumnType::Bigint),
            ("spatial_key", ColumnType::Geometry),
            ("hilbert_value", ColumnType::Bigint),
            ("spatial_bucket_x", ColumnType::Integer),
            ("spatial_bucket_y", ColumnType::Integer),
            ("spatial_bucket_z", ColumnType::Integer),
        ];
        let table = Table::open(c"atom_embedding", pg_sys::RowExclusiveLock, &columns);
        table.insert(|| {
            let (row_no, point) = rows.next()?;
            let hilbert_value = grid.index(Curve::Hilbert, point).or_raise() as i64;
            let [x, y, z] = point.map(|coordinate| pg_sys::Datum::from(coordinate.floor() as i32));
            let spatial_key = PointZ(point).datum();
            let (hash, width) = (bytea(&tensor.content_hash), row_width(tensor).into());
            Some([hash, data_type, width, row_no.into(), spatial_key, hilbert_value.into(), x, y, z])
        });
        table.close();
        // SAFETY: a plain call on the main thread. What was inserted is to be seen by later statements.
        unsafe { pg_sys::CommandCounterIncrement() };
    }
}

/// The column of this name in `tensor_atom`.
fn row_width(tensor: &StoredTensor) -> i64 {
    tensor.shape.last().map_or(1, |width| *width as i64)
}

/// The last row of a content that has a point; for [`Granularity::Tensor`], [`WHOLE`] if that has one.
fn last_row(tensor: &StoredTensor, granularity: Granularity) -> Option<i64> {
    let rows = match granularity {
        Granularity::Tensor => "SELECT row_no FROM atomizer.atom_embedding WHERE row_no = -1",
        Granularity::Row => "SELECT max(row_no) FROM atomizer.atom_embedding WHERE row_no >= 0",
    };
    let statement = format!(
        "{rows} AND content_hash = $1 AND data_type = $2::text::atomizer.tensor_dtype AND row_width = $3"
    );
    let (hash, data_type) = (tensor.content_hash.as_slice(), tensor.dtype.name());
    // Points that this step has placed for an equal content count, too: no plain read sees them.
    owner::value(&statement, &[hash.into(), data_type.into(), row_width(tensor).into()])
}

/// Locks the placing of a content until the end of the transaction; false when another has the lock.
fn lock(hash: &Hash, wait: bool) -> bool {
    // Keys of advisory locks are the users' too: a clash costs waiting, nothing else.
    let (key, _) = hash.split_first_chunk().expect("a hash has more than 8 bytes");
    let key = i64::from_le_bytes(*key);
    let statement = match wait {
        true => "SELECT true FROM (SELECT pg_advisory_xact_lock($1)) AS l",
        false => "SELECT pg_try_advisory_xact_lock($1)",
    };
    owner::value(statement, &[key.into()]).unwrap_or(false)
}

/// A tensor as a point: the place of its sketch.
fn place_whole(tensor: &StoredTensor) -> [f64; 3] {
    let mut sketch = Sketch::new(DEFAULT_SEED);
    tensors::for_each_weights(tensor, 1, |weights| sketch.add(&weights.into_f32()));
    let projection = Projection::cached(DEFAULT_SEED, DIMENSION).or_raise();
    projection.place(&sketch.finish()).or_raise()
}

/// Gives the model's tensor atoms from..to the points of their contents.
fn copy_to_tensor_atoms(model_id: i64, from: usize, to: usize) {
    let point = "FROM atomizer.atom_embedding e WHERE (e.content_hash, e.data_type, e.row_width, e.row_no) \
                 = (t.content_hash, t.data_type, t.row_width, -1)";
    let statement = format!(
        "UPDATE atomizer.tensor_atom t \
         SET (spatial_key, hilbert_value) = (SELECT e.spatial_key, e.hilbert_value {point}) \
         WHERE t.model_id = $1 AND t.tensor_no >= $2 AND t.tensor_no < $3 \
           AND t.hilbert_value IS DISTINCT FROM (SELECT e.hilbert_value {point})"
    );
    owner::run(|client| {
        owner::execute(client, &statement, &[model_id.into(), (from as i32).into(), (to as i32).into()]);
    });
}
