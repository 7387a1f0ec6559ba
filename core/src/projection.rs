//! Landmark projection: a vector of any dimension as a point in space.
//!
//! The landmarks are three orthonormal vectors that follow from a seed and the dimension alone. All of
//! it is additions, multiplications, divisions and square roots of f64 in a fixed order, never a
//! fused multiply-add nor a function of a mathematical library: the same point, to the last bit, on
//! every machine and in every version.

use crate::simd::wide::{self, Kernel};
use crate::splitmix::mix;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

/// The seed that is used when none is given.
pub const DEFAULT_SEED: u64 = 42;

/// Longest vector. Its landmarks take 24 MB; the rows of known matrices stay below 2^18.
pub const MAX_DIMENSION: usize = 1 << 20;

/// Most memory of the landmarks that are kept for later.
const MAX_CACHE_BYTES: usize = 64 << 20;

/// Partial sums of each dot product: component i goes to sum i mod 4.
const LANES: usize = 4;

/// Blocks that a vector is fetched ahead of the sums: 3 KB. A row's vector lies in memory, and the
/// processor's own prefetching starts over with each.
const AHEAD: usize = 192;

/// Why a vector has no point.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum ProjectionError {
    /// Too short for three landmarks, or longer than the cap.
    #[error("vectors of dimension {0} can't be projected (3 to {MAX_DIMENSION} can)")]
    Dimension(usize),
    /// A vector of another dimension than the landmarks.
    #[error("the vector has dimension {found}, the landmarks have {expected}")]
    Mismatch {
        /// The vector's dimension.
        found: usize,
        /// The landmarks' dimension.
        expected: usize,
    },
    /// Numbers that are not a whole number of vectors.
    #[error("{length} numbers are not a whole number of vectors of dimension {dimension}")]
    PartialVector {
        /// Numbers given.
        length: usize,
        /// The landmarks' dimension.
        dimension: usize,
    },
    /// A component that is NaN or infinite.
    #[error("component {index} of the vector is {value}")]
    NotFinite {
        /// Its number, from 0; over all vectors of a batch.
        index: usize,
        /// NaN or an infinity.
        value: f32,
    },
    /// Distances that no point has.
    #[error("distances {0:?} to the landmarks are those of no point")]
    Distances([f64; 3]),
}

/// The landmarks of a seed and a dimension.
#[derive(Debug)]
pub struct Projection {
    dimension: usize,
    /// Four components of each landmark in turn; what follows after the last is zero.
    landmarks: Vec<[[f64; LANES]; 3]>,
}

/// Sums that a vector is passed for: with each landmark, and of squares.
#[derive(Clone, Copy)]
struct Sums {
    dots: [[f64; LANES]; 3],
    squares: [f64; LANES],
}

impl Sums {
    const ZERO: Self = Self { dots: [[0.0; LANES]; 3], squares: [0.0; LANES] };

    #[inline(always)]
    fn add(&mut self, block: &[f32; LANES], marks: &[[f64; LANES]; 3]) {
        for lane in 0..LANES {
            let x = f64::from(block[lane]);
            self.squares[lane] += x * x;
            for (dots, mark) in self.dots.iter_mut().zip(marks) {
                dots[lane] += x * mark[lane];
            }
        }
    }
}

impl Projection {
    /// Makes the landmarks.
    ///
    /// Component i of landmark n is drawn as the sum of the four 16-bit words of
    /// `mix(mix(mix(seed) + n) + i)` less its mean, which is nearly normal; `mix` is one
    /// step of SplitMix64. Gram–Schmidt, done twice, makes them
    /// orthonormal. A landmark that lies in the plane of those before it is drawn again with n + 3.
    ///
    /// # Errors
    /// [`ProjectionError::Dimension`] unless the dimension is 3 to [`MAX_DIMENSION`].
    pub fn new(seed: u64, dimension: usize) -> Result<Self, ProjectionError> {
        if !(3..=MAX_DIMENSION).contains(&dimension) {
            return Err(ProjectionError::Dimension(dimension));
        }
        let mut made: Vec<Vec<f64>> = Vec::with_capacity(3);
        for n in 0..3 {
            let drawn = (n..).step_by(3).find_map(|n| landmark(seed, n, dimension, &made));
            made.push(drawn.expect("of endlessly many vectors one is not in a plane"));
        }
        let landmarks = (0..dimension.div_ceil(LANES))
            .map(|block| {
                std::array::from_fn(|n| {
                    std::array::from_fn(|lane| made[n].get(block * LANES + lane).copied().unwrap_or(0.0))
                })
            })
            .collect();
        Ok(Self { dimension, landmarks })
    }

    /// The same from a cache, which is shared by all threads.
    ///
    /// # Errors
    /// As [`Projection::new`].
    pub fn cached(seed: u64, dimension: usize) -> Result<Arc<Self>, ProjectionError> {
        static CACHE: Mutex<BTreeMap<(u64, usize), Arc<Projection>>> = Mutex::new(BTreeMap::new());
        let mut cache = CACHE.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = cache.get(&(seed, dimension)) {
            return Ok(known.clone());
        }
        let made = Arc::new(Self::new(seed, dimension)?);
        let bytes = |projection: &Self| size_of_val(projection.landmarks.as_slice());
        if cache.values().map(|known| bytes(known)).sum::<usize>() + bytes(&made) > MAX_CACHE_BYTES {
            cache.clear();
        }
        cache.insert((seed, dimension), made.clone());
        Ok(made)
    }

    /// Components of each vector.
    pub fn dimension(&self) -> usize {
        self.dimension
    }

    /// One of the three landmarks.
    pub fn landmark(&self, n: usize) -> impl Iterator<Item = f64> {
        self.landmarks.iter().flat_map(move |block| block[n]).take(self.dimension)
    }

    /// The vector's dot products with the landmarks. Of two vectors the points are never farther
    /// apart than the vectors are.
    ///
    /// # Errors
    /// [`ProjectionError::Mismatch`] and [`ProjectionError::NotFinite`].
    pub fn project(&self, vector: &[f32]) -> Result<[f64; 3], ProjectionError> {
        self.check(vector)?;
        let [sums] = wide::run(Pass { projection: self, vectors: [vector] });
        self.dots(&sums).ok_or_else(|| not_finite(vector))
    }

    /// [`Projection::project`] for vectors that follow each other; `out` keeps its memory.
    ///
    /// # Errors
    /// [`ProjectionError::PartialVector`] and [`ProjectionError::NotFinite`].
    pub fn project_all(&self, vectors: &[f32], out: &mut Vec<[f64; 3]>) -> Result<(), ProjectionError> {
        self.each(vectors, out, |sums| self.dots(sums))
    }

    /// The vector's point in the box −100…100 of the default bounds.
    ///
    /// Each coordinate is 100 · z / (1 + |z|), where z = √dimension · (v · landmark) / |v|: the
    /// direction alone counts, as it does for the cosine. For vectors without a preferred direction
    /// z has about a standard normal distribution whatever the dimension and the size of the weights,
    /// and half of the box lies within |z| < 1. So points of different models fill the same box and
    /// can be compared; no point is ever clamped, and z = y / (100 − |y|) gives the cosine back. The
    /// zero vector, which has no direction, is placed at the origin.
    ///
    /// # Errors
    /// As [`Projection::project`].
    pub fn place(&self, vector: &[f32]) -> Result<[f64; 3], ProjectionError> {
        self.check(vector)?;
        let [sums] = wide::run(Pass { projection: self, vectors: [vector] });
        self.placed(&sums).ok_or_else(|| not_finite(vector))
    }

    /// [`Projection::place`] for vectors that follow each other; `out` keeps its memory.
    ///
    /// # Errors
    /// As [`Projection::project_all`].
    pub fn place_all(&self, vectors: &[f32], out: &mut Vec<[f64; 3]>) -> Result<(), ProjectionError> {
        self.each(vectors, out, |sums| self.placed(sums))
    }

    /// [`Projection::place_all`] for those that have a point: the number of each, from 0, and its point. A
    /// vector that is not finite has no direction, and the others have their points all the same.
    ///
    /// # Errors
    /// As [`Projection::project_all`], but for vectors that are not finite.
    pub fn place_finite(&self, vectors: &[f32]) -> Result<Vec<(usize, [f64; 3])>, ProjectionError> {
        let mut points = Vec::new();
        match self.place_all(vectors, &mut points) {
            Ok(()) => Ok(points.into_iter().enumerate().collect()),
            Err(ProjectionError::NotFinite { .. }) => {
                let all = vectors.chunks_exact(self.dimension).map(|vector| self.place(vector).ok());
                Ok(all.enumerate().filter_map(|(number, point)| Some((number, point?))).collect())
            }
            Err(error) => Err(error),
        }
    }

    /// The vector's Euclidean distances from the landmarks, which are of length 1.
    ///
    /// # Errors
    /// As [`Projection::project`].
    pub fn distances(&self, vector: &[f32]) -> Result<[f64; 3], ProjectionError> {
        self.check(vector)?;
        let mut sums = [[0.0; LANES]; 3];
        let (whole, last) = blocks(vector);
        for (block, marks) in whole.iter().chain(&last).zip(&self.landmarks) {
            for (sums, mark) in sums.iter_mut().zip(marks) {
                for lane in 0..LANES {
                    let apart = f64::from(block[lane]) - mark[lane];
                    sums[lane] += apart * apart;
                }
            }
        }
        let squares = sums.map(total);
        if !squares.iter().all(|square| square.is_finite()) {
            return Err(not_finite(vector));
        }
        Ok(squares.map(f64::sqrt))
    }

    fn check(&self, vector: &[f32]) -> Result<(), ProjectionError> {
        match vector.len() == self.dimension {
            true => Ok(()),
            false => Err(ProjectionError::Mismatch { found: vector.len(), expected: self.dimension }),
        }
    }

    fn each(
        &self,
        vectors: &[f32],
        out: &mut Vec<[f64; 3]>,
        point: impl Fn(&Sums) -> Option<[f64; 3]>,
    ) -> Result<(), ProjectionError> {
        if !vectors.len().is_multiple_of(self.dimension) {
            return Err(ProjectionError::PartialVector { length: vectors.len(), dimension: self.dimension });
        }
        out.clear();
        out.reserve(vectors.len() / self.dimension);
        let mut add = |sums: Sums| out.extend(point(&sums));
        let pairs = vectors.chunks_exact(2 * self.dimension);
        let last = pairs.remainder();
        for pair in pairs {
            let (one, two) = pair.split_at(self.dimension);
            wide::run(Pass { projection: self, vectors: [one, two] }).into_iter().for_each(&mut add);
        }
        if !last.is_empty() {
            wide::run(Pass { projection: self, vectors: [last] }).into_iter().for_each(&mut add);
        }
        match out.len() == vectors.len() / self.dimension {
            true => Ok(()),
            false => Err(not_finite(vectors)),
        }
    }

    /// None when any component is not finite: squares of f32 and their sums can't overflow f64, and
    /// no infinity or NaN is ever lost from a sum of squares.
    fn dots(&self, sums: &Sums) -> Option<[f64; 3]> {
        total(sums.squares).is_finite().then(|| sums.dots.map(total))
    }

    fn placed(&self, sums: &Sums) -> Option<[f64; 3]> {
        let squares = total(sums.squares);
        let dots = self.dots(sums)?;
        if squares == 0.0 {
            return Some([0.0; 3]);
        }
        let scale = (self.dimension as f64).sqrt() / squares.sqrt();
        Some(dots.map(|dot| {
            let z = scale * dot;
            100.0 * z / (1.0 + z.abs())
        }))
    }
}

/// A vector's components in blocks, the last filled up with zeros.
#[inline(always)]
fn blocks(vector: &[f32]) -> (&[[f32; LANES]], Option<[f32; LANES]>) {
    let (whole, rest) = vector.as_chunks();
    (whole, (!rest.is_empty()).then(|| padded(rest)))
}

/// Kept apart: a compiler that sees the last lane to be zero here treats it apart from the others
/// in the loop over whole blocks too, which takes a quarter of its speed.
#[inline(never)]
fn padded(rest: &[f32]) -> [f32; LANES] {
    std::array::from_fn(|lane| rest.get(lane).copied().unwrap_or(0.0))
}

/// Passes vectors of the landmarks' dimension side by side, so that a landmark is loaded once.
struct Pass<'a, const N: usize> {
    projection: &'a Projection,
    vectors: [&'a [f32]; N],
}

impl<const N: usize> Kernel for Pass<'_, N> {
    type Output = [Sums; N];

    #[inline(always)]
    fn run(self) -> [Sums; N] {
        let mut sums = [Sums::ZERO; N];
        let whole = self.projection.dimension / LANES;
        let (marks, last) = self.projection.landmarks.split_at(whole);
        let parts = self.vectors.map(|vector| &blocks(vector).0[..whole]);
        for (i, marks) in marks.iter().enumerate() {
            if i.is_multiple_of(4) {
                for part in parts {
                    wide::prefetch(part, i + AHEAD);
                }
            }
            for (sums, part) in sums.iter_mut().zip(parts) {
                sums.add(&part[i], marks);
            }
        }
        if let [marks] = last {
            for (sums, vector) in sums.iter_mut().zip(self.vectors) {
                sums.add(&blocks(vector).1.unwrap_or_default(), marks);
            }
        }
        sums
    }
}

/// The point in space with these distances from its own three landmarks, the ends of the unit axes
/// (trilateration). It is the vector of many dimensions rotated about the plane through its three
/// landmarks until it lies in their space, so it keeps the vector's distance from that plane.
///
/// With m the mean of the squared distances d², the foot on the plane is qₙ = 1/3 + (m − d²ₙ)/2, the
/// height over it √(m − |q|² − 1/3), and of the two points the one on the origin's side is given.
///
/// # Errors
/// [`ProjectionError::Distances`] for distances that are not finite or don't meet in any dimension.
pub fn trilaterate(distances: [f64; 3]) -> Result<[f64; 3], ProjectionError> {
    let squares = distances.map(|d| d * d);
    let mean = (squares[0] + squares[1] + squares[2]) / 3.0;
    let foot = squares.map(|square| 1.0 / 3.0 + (mean - square) / 2.0);
    let height = mean - (foot[0] * foot[0] + foot[1] * foot[1] + foot[2] * foot[2]) - 1.0 / 3.0;
    // On the plane itself rounding may leave it a little below zero.
    let slack = 1e-12 * mean.max(1.0) * mean.max(1.0).sqrt();
    let meet = height.is_finite() && height >= -slack && distances.iter().all(|d| *d >= 0.0);
    if !meet {
        return Err(ProjectionError::Distances(distances));
    }
    let along = height.max(0.0).sqrt() / 3f64.sqrt();
    Ok(foot.map(|q| q - along))
}

/// A landmark orthonormal to others; None when what is left of it is too short to be exact.
fn landmark(seed: u64, n: u64, dimension: usize, others: &[Vec<f64>]) -> Option<Vec<f64>> {
    let key = mix(mix(seed).wrapping_add(n));
    let mut vector: Vec<f64> = (0..dimension as u64)
        .map(|i| {
            let word = mix(key.wrapping_add(i));
            let sum = (0..4).map(|part| (word >> (16 * part) & 0xffff) as i32).sum::<i32>();
            f64::from(sum - 2 * 0xffff)
        })
        .collect();
    let drawn = dot(&vector, &vector);
    for _ in 0..2 {
        for other in others {
            let along = dot(&vector, other);
            vector.iter_mut().zip(other).for_each(|(v, o)| *v -= along * o);
        }
    }
    let left = dot(&vector, &vector);
    let length = left.sqrt();
    vector.iter_mut().for_each(|v| *v /= length);
    (left > 1e-6 * drawn).then_some(vector)
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    let mut sums = [0.0; LANES];
    for (i, (a, b)) in a.iter().zip(b).enumerate() {
        sums[i % LANES] += a * b;
    }
    total(sums)
}

fn total(sums: [f64; LANES]) -> f64 {
    (sums[0] + sums[2]) + (sums[1] + sums[3])
}

#[cold]
fn not_finite(vector: &[f32]) -> ProjectionError {
    let (index, value) = vector
        .iter()
        .enumerate()
        .find(|(_, value)| !value.is_finite())
        .expect("finite numbers have finite sums");
    ProjectionError::NotFinite { index, value: *value }
}

#[cfg(test)]
mod tests;
