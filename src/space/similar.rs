//! Tensors and rows of matrices that are alike: candidates from an index, then exact distances of the
//! real vectors, of which only the candidates' segments are read.

use super::near::{self, Candidate, Strategy};
use crate::access::{self, StoredTensor};
use crate::errors::{OrRaise, Raise, raise, require_arg};
use crate::{store, tensors};
use atomizer_core::analytics::{DimensionError, Metric, Nearest, Query, dot};
use atomizer_core::dtype::{Class, Dtype};
use atomizer_core::hash::Hash;
use atomizer_core::projection::MAX_DIMENSION;
use atomizer_core::segment::whole_segments;
use atomizer_core::weights;
use pgrx::prelude::*;

/// Shortest row that is placed: rows of 3 or 9 weights, as convolutions have, are no neurons, and three
/// coordinates would say no less than they do.
const MIN_WIDTH: u64 = 16;
/// Weights of a tensor compared at a time: one batch of 4 MiB of both.
const PIECE_WEIGHTS: u64 = 1 << 20;

impl Raise for DimensionError {
    fn raise(self) -> ! {
        raise(PgSqlErrorCode::ERRCODE_INVALID_PARAMETER_VALUE, self.to_string(), "")
    }
}

/// A tensor as rows: each runs along the last axis.
pub struct RowLayout {
    pub rows: u64,
    pub width: u64,
}

impl RowLayout {
    /// For tensors of two axes and more that hold no integers, with rows that can be projected.
    pub fn for_tensor(tensor: &StoredTensor) -> Option<Self> {
        let width = *tensor.shape.last().filter(|_| tensor.shape.len() >= 2)?;
        let fits = (MIN_WIDTH..=MAX_DIMENSION as u64).contains(&width);
        let rows = (tensor.weight_count as u64).checked_div(width)?;
        (fits && rows > 0 && tensor.dtype.info().class != Class::Integer).then_some(Self { rows, width })
    }
}

fn metric_of(name: &str) -> Metric {
    match name {
        "cosine" => Metric::Cosine,
        "euclidean" => Metric::Euclidean,
        _ => raise(
            PgSqlErrorCode::ERRCODE_INVALID_PARAMETER_VALUE,
            format!("there is no metric \"{name}\""),
            "cosine and euclidean are metrics.",
        ),
    }
}

type Similar = (i64, i64, String, i64, f64);

#[allow(clippy::type_complexity, clippy::too_many_arguments)]
#[pg_extern(stable, parallel_unsafe, cost = 10000)]
fn similar_rows(
    tensor_atom_id: Option<i64>,
    row_no: Option<i64>,
    k: default!(Option<i32>, "10"),
    candidates: default!(Option<i32>, "10000"),
    metric: default!(Option<&str>, "'cosine'"),
    strategy: default!(Option<Strategy>, "'RTree'"),
    within_tensor: default!(Option<i64>, "NULL"),
) -> TableIterator<
    'static,
    (
        name!(tensor_atom_id, i64),
        name!(model_id, i64),
        name!(layer_name, String),
        name!(row_no, i64),
        name!(distance, f64),
    ),
> {
    let tensor_atom_id = require_arg("tensor_atom_id", tensor_atom_id);
    let row_no = require_arg("row_no", row_no);
    let k = require_arg("k", k);
    let candidates = require_arg("candidates", candidates);
    let metric = require_arg("metric", metric);
    let strategy = require_arg("strategy", strategy);
    crate::threads::start();
    let k = near::check_count("k", k);
    let candidates = near::check_count("candidates", candidates);
    let metric = metric_of(metric);
    let tensor = access::tensor(tensor_atom_id);
    tensors::check_decodable(&tensor);
    let layout = RowLayout::for_tensor(&tensor);
    let Some(RowLayout { width, .. }) = layout.filter(|layout| (0..layout.rows as i64).contains(&row_no))
    else {
        let rows = RowLayout::for_tensor(&tensor).map_or("none".into(), |layout| layout.rows.to_string());
        raise(
            PgSqlErrorCode::ERRCODE_INVALID_PARAMETER_VALUE,
            format!("row {row_no} is not one of tensor \"{}\", which has {rows}", tensor.layer_name),
            "Rows run along the last axis of tensors of two axes and more, and are counted from 0. They have at least 16 weights, none of them integers.",
        );
    };
    let point = near::place_of(&tensor, row_no);
    let vector = tensors::read_weights(&tensor, row_no as u64 * width, width).into_f32();
    let mut found = near::rows(point, width, within_tensor, candidates, strategy);
    // In the order they are stored, so that a segment is decoded once.
    found.sort_unstable_by_key(|candidate| (candidate.content_hash, candidate.row_no));

    let query = Query::new(metric, vector);
    let (mut nearest, mut reader) = (Nearest::new(k as usize), RowReader::default());
    for (index, candidate) in found.iter().enumerate() {
        if (candidate.tensor_atom_id, candidate.row_no) == (tensor_atom_id, row_no) {
            continue;
        }
        let row = reader.read(candidate, width);
        let distance = query.distance(&row).or_raise();
        nearest.offer(distance, (candidate.tensor_atom_id, candidate.row_no, index));
    }
    TableIterator::new(similar(nearest, found))
}

/// Columns of what is nearest.
fn similar(
    nearest: Nearest<(i64, i64, usize)>,
    mut found: Vec<Candidate>,
) -> impl Iterator<Item = Similar> + 'static {
    nearest.into_sorted().into_iter().map(move |(distance, (tensor_atom_id, row_no, index))| {
        let name = std::mem::take(&mut found[index].layer_name);
        (tensor_atom_id, found[index].model_id, name, row_no, distance)
    })
}

/// Reads rows of contents. The segments that the last one lay in are kept.
#[derive(Default)]
struct RowReader {
    hash: Hash,
    /// First byte of the content that is in `bytes`.
    start: u64,
    bytes: Vec<u8>,
}

impl RowReader {
    fn end(&self) -> u64 {
        self.start + self.bytes.len() as u64
    }

    fn read(&mut self, candidate: &Candidate, width: u64) -> Vec<f32> {
        let (range, skip) = candidate.dtype.blocks_holding(candidate.row_no as u64 * width, width);
        if self.hash != candidate.content_hash || range.offset < self.start || range.end() > self.end() {
            pgrx::check_for_interrupts!();
            let whole = whole_segments(candidate.byte_length as u64, range);
            self.bytes = store::read_range(&candidate.content_hash, whole);
            (self.start, self.hash) = (whole.offset, candidate.content_hash);
        }
        let bytes = &self.bytes[(range.offset - self.start) as usize..(range.end() - self.start) as usize];
        let mut weights = weights::decode(candidate.dtype, bytes).or_raise();
        weights.slice(skip, width as usize);
        weights.into_f32()
    }
}

/// Sums over two tensors that a distance is made of.
#[derive(Clone, Copy, Default)]
struct Sums {
    products: f64,
    squares: f64,
    other_squares: f64,
    apart: f64,
}

impl Sums {
    fn distance(&self, metric: Metric) -> f64 {
        match metric {
            Metric::Cosine => {
                let cosine = self.products / (self.squares * self.other_squares).sqrt();
                1.0 - cosine.clamp(-1.0, 1.0)
            }
            Metric::Euclidean => self.apart.sqrt(),
        }
    }
}

#[allow(clippy::type_complexity)]
#[pg_extern(stable, parallel_unsafe, cost = 10000)]
fn similar_tensors(
    tensor_atom_id: i64,
    k: default!(i32, "10"),
    candidates: default!(i32, "100"),
    metric: default!(&str, "'cosine'"),
) -> TableIterator<
    'static,
    (
        name!(tensor_atom_id, i64),
        name!(model_id, i64),
        name!(layer_name, String),
        name!(row_no, i64),
        name!(distance, f64),
    ),
> {
    crate::threads::start();
    let k = near::check_count("k", k);
    let candidates = near::check_count("candidates", candidates);
    let metric = metric_of(metric);
    let tensor = access::tensor(tensor_atom_id);
    tensors::check_decodable(&tensor);
    // One more: the tensor itself is among them.
    let mut found = near::tensors(&tensor, candidates + 1);
    found.retain(|candidate| candidate.tensor_atom_id != tensor_atom_id);
    found.truncate(candidates as usize);

    // Equal contents are compared once.
    let mut contents: Vec<(Hash, Dtype)> =
        found.iter().map(|found| (found.content_hash, found.dtype)).collect();
    contents.sort_unstable();
    contents.dedup();
    let sums = compare(&tensor, &contents);
    let mut nearest = Nearest::new(k as usize);
    for (index, candidate) in found.iter().enumerate() {
        let key = (candidate.content_hash, candidate.dtype);
        let sums = &sums[contents.binary_search(&key).expect("every candidate's content was compared")];
        nearest.offer(sums.distance(metric), (candidate.tensor_atom_id, candidate.row_no, index));
    }
    TableIterator::new(similar(nearest, found))
}

/// Goes through a tensor once, and through others of as many weights beside it.
fn compare(tensor: &StoredTensor, contents: &[(Hash, Dtype)]) -> Vec<Sums> {
    let mut all = vec![Sums::default(); contents.len()];
    let total = tensor.weight_count as u64;
    for from in (0..total).step_by(PIECE_WEIGHTS as usize) {
        let count = PIECE_WEIGHTS.min(total - from);
        let piece = tensors::read_weights(tensor, from, count).into_f32();
        let squares = dot(&piece, &piece);
        let query = Query::new(Metric::Euclidean, piece.clone());
        for (sums, (hash, dtype)) in all.iter_mut().zip(contents) {
            pgrx::check_for_interrupts!();
            let other = tensors::read_weights_of(hash, *dtype, from, count).into_f32();
            sums.squares += squares;
            sums.other_squares += dot(&other, &other);
            sums.products += dot(&piece, &other);
            // NaN stays NaN: there is no distance then.
            sums.apart += query.distance(&other).or_raise().powi(2);
        }
    }
    all
}
