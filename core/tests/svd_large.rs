//! A large matrix: that it can be decomposed, in how much memory, and how soon a cancel is seen. A
//! binary of its own, since it measures the process' memory. It needs Linux for that.
#![cfg(target_os = "linux")]

use atomizer_core::parallel;
use atomizer_core::svd::{self, SvdError};
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

const ROWS: usize = 8_192;
const COLUMNS: usize = 4_096;

/// A figure of /proc/self/status, in bytes.
fn status(name: &str) -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with(name)).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<usize>().unwrap() * 1024
}

#[test]
fn matrices_whose_memory_counts() {
    parallel::start();
    one_row();
    an_eighth_of_a_gigabyte();
}

/// The components alone are as large as the matrix.
fn one_row() {
    let matrix: Vec<f32> = (0..4_000_000).map(|i| (i % 1000) as f32 - 300.0).collect();
    std::fs::write("/proc/self/clear_refs", "5").unwrap();
    let before = status("VmRSS");
    svd::decompose(&matrix, 1, matrix.len(), 1, &AtomicBool::new(false)).unwrap();
    let more = status("VmHWM") - before;
    assert!(more < 6 * 4 * matrix.len(), "{more} bytes beyond the matrix");
}

fn an_eighth_of_a_gigabyte() {
    // Weights that fall off, on top of noise: σ of the j-th column is about 128 ÷ √(1 + j).
    let mut state = 1u64;
    let matrix: Vec<f32> = (0..ROWS * COLUMNS)
        .map(|i| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let noise = (state >> 40) as f32 / (1 << 23) as f32 - 1.0;
            noise / (1.0 + (i % COLUMNS) as f32).sqrt()
        })
        .collect();

    // The peak is reset to what is there now: the matrix.
    std::fs::write("/proc/self/clear_refs", "5").unwrap();
    let before = status("VmRSS");
    let begun = Instant::now();
    let svd =
        parallel::cancellable(|cancel| svd::decompose(&matrix, ROWS, COLUMNS, 64, cancel), || false).unwrap();
    let (took, more) = (begun.elapsed(), status("VmHWM") - before);
    println!("rank 64 in {took:.2?} and {} MB beyond the matrix' {}", more >> 20, (4 * matrix.len()) >> 20);
    assert_eq!(svd.parameters(), 64 * (ROWS + COLUMNS + 1));
    assert!(svd.explained_variance > 0.3 && svd.s.is_sorted_by(|a, b| a >= b));
    assert!(more < 4 * matrix.len(), "{more} bytes beyond the matrix");

    // Cancelled at several moments: in the Gram matrix, and well after it. How long the whole takes
    // depends on the machine and on what else it does: it is measured first.
    let begun = Instant::now();
    parallel::cancellable(|cancel| svd::spectrum(&matrix, ROWS, COLUMNS, cancel), || false).unwrap();
    let whole = begun.elapsed().as_secs_f64();
    println!("the spectrum in {whole:.1} s");
    let late = 0.6 * whole;
    for (rank, after) in [(0, 0.02 * whole), (usize::MAX, 0.05 * whole), (0, late), (64, 0.1)] {
        let begun = Instant::now();
        let mut asked = None;
        let result = parallel::cancellable(
            |cancel| match rank {
                0 => svd::spectrum(&matrix, ROWS, COLUMNS, cancel).map(|_| ()),
                rank => svd::decompose(&matrix, ROWS, COLUMNS, rank, cancel).map(|_| ()),
            },
            || {
                let is_time = begun.elapsed() > Duration::from_secs_f64(after);
                if is_time && asked.is_none() {
                    asked = Some(Instant::now());
                }
                is_time
            },
        );
        if after == late && result.is_ok() {
            println!("twice as fast as before: ended before it could be cancelled");
            continue;
        }
        assert!(matches!(result, Err(SvdError::Cancelled)), "rank {rank} ended before {after} s: {result:?}");
        let took = asked.unwrap().elapsed();
        println!("cancelled within {took:.2?}");
        assert!(took < Duration::from_secs(1), "a cancel took {took:?}");
    }
}
