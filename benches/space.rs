//! Kernels of the spatial side beside their peers, in one run:
//! `cargo bench -p atomizer-core --bench space`.

use atomizer_core::curve::{Bounds, CellBox, Curve, Grid, Precision, hilbert, morton, skilling};
use atomizer_core::projection::{DEFAULT_SEED, Projection};
use atomizer_core::sketch::{self, Sketch};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use std::hint::black_box;

/// More than any cache holds.
const BYTES: usize = 256 << 20;

/// Numbers that look random, the same in every run.
fn numbers() -> impl Iterator<Item = u64> {
    let mut state = 42u64;
    std::iter::repeat_with(move || {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        state >> 11
    })
}

fn cells(count: usize) -> Vec<[u32; 3]> {
    let mut numbers = numbers();
    std::iter::repeat_with(|| std::array::from_fn(|_| (numbers.next().expect("endless") >> 32) as u32))
        .take(count)
        .collect()
}

fn curves(c: &mut Criterion) {
    let cells = cells(1 << 14);
    let mut indices = Vec::new();
    hilbert::encode_all(&cells, Precision::MAX, &mut indices);
    let mut decoded = Vec::new();

    let mut group = c.benchmark_group("curve, 3D of 21 bits");
    group.throughput(Throughput::Elements(cells.len() as u64));
    group.bench_function("hilbert encode, batch", |b| {
        b.iter(|| hilbert::encode_all(black_box(&cells), Precision::MAX, &mut indices))
    });
    group.bench_function("hilbert encode, one by one", |b| {
        b.iter(|| {
            for cell in &cells {
                black_box(hilbert::encode(black_box(*cell), Precision::MAX));
            }
        })
    });
    group.bench_function("hilbert encode, lindel", |b| {
        b.iter(|| {
            for cell in &cells {
                black_box(lindel::hilbert_encode(black_box(*cell)));
            }
        })
    });
    group.bench_function("hilbert encode, Skilling's transform", |b| {
        b.iter(|| {
            for cell in &cells {
                black_box(skilling::encode(black_box(*cell), 21));
            }
        })
    });
    group.bench_function("hilbert decode, batch", |b| {
        b.iter(|| hilbert::decode_all(black_box(&indices), Precision::MAX, &mut decoded))
    });
    group.bench_function("hilbert decode, lindel", |b| {
        b.iter(|| {
            for index in &indices {
                black_box(lindel::hilbert_decode::<u32, 3>(black_box((*index).into())));
            }
        })
    });
    let grid = Grid::new(Bounds::default(), Precision::MAX).expect("a valid grid");
    let points: Vec<[f64; 3]> =
        cells.iter().map(|cell| grid.centre(*cell).expect("a cell of the grid")).collect();
    let mut room = Vec::new();
    group.bench_function("hilbert encode, batch of points", |b| {
        b.iter(|| grid.hilbert_all(black_box(&points), &mut room, &mut indices).expect("no NaN"))
    });
    group.bench_function("morton encode", |b| {
        b.iter(|| {
            indices.clear();
            indices.extend(black_box(&cells).iter().map(|cell| morton::encode_3d(*cell)));
        })
    });
    group.bench_function("morton encode, lindel", |b| {
        b.iter(|| {
            for cell in &cells {
                black_box(lindel::morton_encode(black_box(*cell)));
            }
        })
    });
    group.finish();

    let mut group = c.benchmark_group("ranges of a box");
    for side in [10, 1000, 1 << 19] {
        let corner = [1_000_003, 777_777, 1_234_567];
        let cells = CellBox::new(corner, corner.map(|c| c + side - 1)).expect("a box");
        for max_ranges in [16, 256] {
            group.bench_function(format!("{side} cells a side, {max_ranges} ranges"), |b| {
                b.iter(|| Curve::Hilbert.ranges(black_box(&cells), Precision::MAX, max_ranges))
            });
        }
    }
}

fn vectors(c: &mut Criterion) {
    let weights: Vec<f32> =
        numbers().take(BYTES / size_of::<f32>()).map(|n| n as f32 / (1u64 << 52) as f32 - 1.0).collect();
    let whole = weights.len() / sketch::DIMENSION * sketch::DIMENSION;
    let weights = &weights[..whole];
    let projection = Projection::new(DEFAULT_SEED, sketch::DIMENSION).expect("a valid dimension");

    let mut group = c.benchmark_group("vectors of 1536, from memory");
    group.throughput(Throughput::Bytes(size_of_val(weights) as u64));
    group.bench_function("read only", |b| {
        b.iter(|| {
            let mut all = [0u32; 64];
            for chunk in black_box(weights).as_chunks::<64>().0 {
                all.iter_mut().zip(chunk).for_each(|(all, weight)| *all |= weight.to_bits());
            }
            all
        })
    });
    let mut points = Vec::new();
    group.bench_function("project", |b| {
        b.iter(|| projection.project_all(black_box(weights), &mut points).expect("finite"))
    });
    group.bench_function("place", |b| {
        b.iter(|| projection.place_all(black_box(weights), &mut points).expect("finite"))
    });
    group.bench_function("sketch", |b| {
        b.iter(|| {
            let mut sketch = Sketch::new(DEFAULT_SEED);
            sketch.add(black_box(weights));
            sketch.finish()
        })
    });
}

criterion_group! {
    name = space;
    config = Criterion::default().sample_size(20);
    targets = curves, vectors
}
criterion_main!(space);
