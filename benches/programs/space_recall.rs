//! How well a point in space stands for a row of a real matrix: how many rows have a Hilbert value
//! of their own, and how many candidates must be looked at to find the true nearest rows.
//!
//! `cargo run --release -p atomizer-core --example space_recall [MODEL]`: of the model (by default
//! SmolLM2 135M, which tools/fetch-models fetches) the matrix with the most rows.

use atomizer_core::analytics::{Metric, Nearest, Query};
use atomizer_core::curve::{Bounds, Curve, Grid, Precision};
use atomizer_core::formats::{self, Detail};
use atomizer_core::projection::{DEFAULT_SEED, Projection};
use atomizer_core::rows::RowLayout;
use atomizer_core::weights;
use std::collections::{HashMap, HashSet};
use std::error::Error;
use std::path::{Path, PathBuf};

type Points = Vec<[f64; 3]>;

/// Rows whose neighbours are looked for.
const QUERIES: usize = 300;
/// True neighbours of each.
const K: usize = 10;
/// Numbers of candidates in the table.
const CANDIDATES: [usize; 8] = [10, 30, 100, 300, 1000, 3000, 10_000, 30_000];

struct Matrix {
    dimension: usize,
    weights: Vec<f32>,
}

impl Matrix {
    fn rows(&self) -> impl ExactSizeIterator<Item = &[f32]> {
        self.weights.chunks_exact(self.dimension)
    }

    fn row(&self, i: usize) -> &[f32] {
        &self.weights[i * self.dimension..][..self.dimension]
    }

    fn place(&self, seed: u64) -> Result<Points, Box<dyn Error>> {
        let mut points = Vec::new();
        Projection::new(seed, self.dimension)?.place_all(&self.weights, &mut points)?;
        Ok(points)
    }
}

fn open(path: &Path) -> Result<Matrix, Box<dyn Error>> {
    let files = formats::open_path(path)?;
    let model = formats::parse(&files, None, Detail::Summary)?;
    let tensor = model
        .tensors
        .iter()
        .filter(|tensor| {
            tensor.shape.len() == 2 && RowLayout::for_tensor(&tensor.shape, tensor.dtype).is_some()
        })
        .max_by_key(|tensor| tensor.shape[0])
        .ok_or("the model has no matrix")?;
    let mut bytes = vec![0; tensor.byte_length as usize];
    files.open_tensor(tensor)?.read_at(0, &mut bytes)?;
    let decoded = weights::decode(tensor.dtype, &bytes)?;
    println!("{} of {}: {:?}, {}", tensor.name, path.display(), tensor.shape, tensor.dtype.name());
    Ok(Matrix {
        dimension: tensor.shape[1] as usize,
        weights: (0..decoded.len()).map(|i| decoded.f32(i)).collect(),
    })
}

/// Distinct points, and those of them that have a Hilbert value to themselves or with their equals.
fn distinct(points: &[[f64; 3]]) -> (usize, usize) {
    let grid = Grid::new(Bounds::default(), Precision::MAX).expect("the default bounds are wide");
    let bits = |point: &[f64; 3]| point.map(f64::to_bits);
    let different: HashSet<[u64; 3]> = points.iter().map(bits).collect();
    let mut shared = HashMap::new();
    for point in &different {
        let index = grid.index(Curve::Hilbert, point.map(f64::from_bits)).expect("no point is NaN");
        *shared.entry(index).or_insert(0) += 1;
    }
    (different.len(), shared.values().filter(|count| **count == 1).count())
}

/// For each query the true neighbours: the K nearest rows by a metric, itself left out.
fn truth(matrix: &Matrix, queries: &[usize], metric: Metric) -> Result<Vec<Vec<usize>>, Box<dyn Error>> {
    let search = |&query: &usize| {
        let wanted = Query::new(metric, matrix.row(query).to_vec());
        let mut nearest = Nearest::new(K);
        for (i, row) in matrix.rows().enumerate().filter(|(i, _)| *i != query) {
            nearest.offer(wanted.distance(row)?, i);
        }
        Ok(nearest.into_sorted().into_iter().map(|(_, i)| i).collect())
    };
    queries.iter().map(search).collect()
}

/// Prints the recall for numbers of candidates, which come in the order of `distance(query, row)`.
fn report(
    name: &str,
    queries: &[usize],
    truth: &[Vec<usize>],
    count: usize,
    distance: impl Fn(usize, usize) -> f64,
) {
    let mut ranks = Vec::new();
    for (&query, neighbours) in queries.iter().zip(truth) {
        let mut all: Vec<f64> = (0..count).filter(|i| *i != query).map(|i| distance(query, i)).collect();
        all.sort_unstable_by(f64::total_cmp);
        // The last place among equals: no luck is counted in.
        ranks.extend(neighbours.iter().map(|i| all.partition_point(|d| *d <= distance(query, *i))));
    }
    ranks.sort_unstable();
    print!("{name:44}");
    for max in CANDIDATES {
        print!(" {:>6.3}", ranks.partition_point(|rank| *rank <= max) as f64 / ranks.len() as f64);
    }
    let needed = ranks[(ranks.len() * 95).div_ceil(100) - 1];
    println!(" {needed:>7} {:>5.1} %", 100.0 * needed as f64 / count as f64);
}

fn apart(a: [f64; 3], b: [f64; 3]) -> f64 {
    (0..3).map(|axis| (a[axis] - b[axis]).powi(2)).sum()
}

fn main() -> Result<(), Box<dyn Error>> {
    let fetched =
        || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../target/models/smollm2-135m-q4_1.gguf");
    let matrix = open(&std::env::args_os().nth(1).map_or_else(fetched, PathBuf::from))?;
    let count = matrix.rows().len();

    let placed = matrix.place(DEFAULT_SEED)?;
    let mut projected = Vec::new();
    Projection::new(DEFAULT_SEED, matrix.dimension)?.project_all(&matrix.weights, &mut projected)?;
    for (name, points) in [("placed", &placed), ("projected only", &projected)] {
        let (different, alone) = distinct(points);
        let share = 100.0 * alone as f64 / different as f64;
        println!(
            "{name}: {different} distinct points, {alone} ({share:.3} %) with a Hilbert value of their own"
        );
        let spread = |axis: usize| {
            let mut along: Vec<f64> = points.iter().map(|point| point[axis]).collect();
            along.sort_unstable_by(f64::total_cmp);
            format!("{:.2} to {:.2}", along[count / 20], along[count - 1 - count / 20])
        };
        println!("    90 % within {}, {}, {}", spread(0), spread(1), spread(2));
    }

    let queries: Vec<usize> = (0..QUERIES.min(count)).map(|i| i * count / QUERIES.min(count)).collect();
    let many: Vec<Points> = (0..32).map(|n| matrix.place(DEFAULT_SEED + n)).collect::<Result<_, _>>()?;
    let orders = many.iter().map(|points| places_along_the_curve(points)).collect::<Result<Vec<_>, _>>()?;

    for metric in [Metric::Cosine, Metric::Euclidean] {
        println!("\nrecall@{K} by {metric:?} distance over {} queries, by candidates", queries.len());
        print!("{:44}", "");
        CANDIDATES.iter().for_each(|max| print!(" {max:>6}"));
        println!("  for 0.95 of all rows");
        let truth = truth(&matrix, &queries, metric)?;
        let show = |name: &str, distance: &dyn Fn(usize, usize) -> f64| {
            report(name, &queries, &truth, count, distance);
        };
        show("nearest placed points", &|query, i| apart(placed[i], placed[query]));
        show("nearest projected points", &|query, i| apart(projected[i], projected[query]));
        for n in [1, 4, 32] {
            let steps = |query: usize, i: usize| orders[..n].iter().map(move |o| o[i].abs_diff(o[query]));
            show(&format!("neighbours along {n} Hilbert curves"), &|query, i| {
                steps(query, i).min().map_or(0.0, |steps| steps as f64)
            });
        }
        for n in [2, 4, 8, 16, 32] {
            let each = |query: usize, i: usize| many[..n].iter().map(move |p| apart(p[i], p[query]));
            show(&format!("near in the sum over {n} projections"), &|query, i| each(query, i).sum());
            show(&format!("near in any of {n} projections"), &|query, i| {
                each(query, i).fold(f64::MAX, f64::min)
            });
        }
    }
    signs(&matrix, &queries)
}

/// Where each point comes in the order of Hilbert values.
fn places_along_the_curve(points: &[[f64; 3]]) -> Result<Vec<usize>, Box<dyn Error>> {
    let (mut room, mut indices) = (Vec::new(), Vec::new());
    Grid::new(Bounds::default(), Precision::MAX)?.hilbert_all(points, &mut room, &mut indices)?;
    let mut order: Vec<usize> = (0..points.len()).collect();
    order.sort_unstable_by_key(|i| (indices[*i], *i));
    let mut places = vec![0; points.len()];
    order.into_iter().enumerate().for_each(|(place, i)| places[i] = place);
    Ok(places)
}

/// Another kind of candidates, for comparison: the signs alone of many projections, as a row's
/// signature, ranked by the number of bits that differ (Charikar 2002).
fn signs(matrix: &Matrix, queries: &[usize]) -> Result<(), Box<dyn Error>> {
    let truth = truth(matrix, queries, Metric::Cosine)?;
    let count = matrix.rows().len();
    println!();
    for words in [4, 8, 16] {
        let mut signatures = vec![vec![0u64; words]; count];
        let mut points = Vec::new();
        for n in 0..(64 * words).div_ceil(3) {
            let seed = DEFAULT_SEED + n as u64;
            Projection::new(seed, matrix.dimension)?.project_all(&matrix.weights, &mut points)?;
            for (signature, point) in signatures.iter_mut().zip(&points) {
                for (bit, c) in (3 * n..64 * words).zip(point) {
                    signature[bit / 64] |= u64::from(*c > 0.0) << (bit % 64);
                }
            }
        }
        report(&format!("signs of {} projections", 64 * words), queries, &truth, count, |query, i| {
            let differ = signatures[i].iter().zip(&signatures[query]);
            f64::from(differ.map(|(a, b)| (a ^ b).count_ones()).sum::<u32>())
        });
    }
    Ok(())
}
