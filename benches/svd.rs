//! Decompositions of synthetic matrices: `cargo bench -p atomizer-core --bench svd`. benches/svd.py
//! compares them with numpy and scikit-learn.

use atomizer_core::{parallel, svd};
use criterion::{Criterion, criterion_group, criterion_main};
use std::hint::black_box;
use std::sync::atomic::AtomicBool;

/// A matrix of noise (every `falling` is 0), or one whose columns fall off and are mixed.
fn matrix(rows: usize, columns: usize, falling: f32) -> Vec<f32> {
    let mut state = 1u64;
    let mut random = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (state >> 40) as f32 / (1 << 23) as f32 - 1.0
    };
    let mut values: Vec<f32> = (0..rows * columns).map(|_| random()).collect();
    for row in values.chunks_exact_mut(columns) {
        row.iter_mut().enumerate().for_each(|(j, value)| *value *= (1.0 + j as f32).powf(-falling));
    }
    values
}

fn decompositions(c: &mut Criterion) {
    parallel::start();
    let mut group = c.benchmark_group("svd");
    for (name, rows, columns, falling, rank) in [
        ("rank 64 of 2048 × 2048, noise", 2048, 2048, 0.0, 64),
        ("rank 64 of 2048 × 2048, falling", 2048, 2048, 0.5, 64),
        ("rank 64 of 4096 × 1024", 4096, 1024, 0.5, 64),
        ("rank 16 of 1024 × 4096", 1024, 4096, 0.5, 16),
        ("rank 384 of 384 × 1536, exact", 384, 1536, 0.5, 384),
    ] {
        let values = matrix(rows, columns, falling);
        let decompose = |cancel: &AtomicBool| svd::decompose(&values, rows, columns, rank, cancel);
        group.bench_function(name, |b| {
            b.iter(|| black_box(parallel::cancellable(decompose, || false)).expect("it decomposes").rank)
        });
    }
    let values = matrix(1024, 1024, 0.5);
    group.bench_function("spectrum of 1024 × 1024", |b| {
        let spectrum = |cancel: &AtomicBool| svd::spectrum(&values, 1024, 1024, cancel);
        b.iter(|| black_box(parallel::cancellable(spectrum, || false)).expect("it decomposes").len())
    });
    let svd = svd::decompose(&values, 1024, 1024, 64, &AtomicBool::new(false)).expect("it decomposes");
    group.bench_function("reconstruct 1024 × 1024 of rank 64", |b| {
        let reconstruct = |cancel: &AtomicBool| svd::reconstruct(&svd.u, &svd.s, &svd.vt, 1024, 1024, cancel);
        b.iter(|| black_box(parallel::cancellable(reconstruct, || false)).expect("it multiplies").len())
    });
}

criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(10);
    targets = decompositions
}
criterion_main!(benches);
