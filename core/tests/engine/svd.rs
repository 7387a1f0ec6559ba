//! Decompositions against spectra that are known, against numpy's and powerlaw's numbers
//! (`testdata/generate/svd.py`), and for whatever shape comes along.

use crate::root;
use atomizer_core::formats::{self, Detail, open_path};
use atomizer_core::svd::{self, Svd, SvdError};
use atomizer_core::weights::{Weights, decode};
use proptest::prelude::*;
use std::sync::atomic::AtomicBool;

static GO_ON: AtomicBool = AtomicBool::new(false);

struct Random(u64);

impl Random {
    /// Between −1 and 1.
    fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 11) as f64 / (1u64 << 52) as f64 - 1.0
    }
}

/// A matrix with these singular values: a diagonal one between reflections at random vectors.
fn with_spectrum(rows: usize, columns: usize, s: &[f64], seed: u64) -> Vec<f32> {
    let mut random = Random(seed);
    let mut a = vec![0.0; rows * columns];
    s.iter().enumerate().for_each(|(i, s)| a[i * columns + i] = *s);
    for _ in 0..3 {
        let v: Vec<f64> = (0..columns).map(|_| random.next()).collect();
        let by = 2.0 / v.iter().map(|v| v * v).sum::<f64>();
        for row in a.chunks_exact_mut(columns) {
            let share: f64 = by * row.iter().zip(&v).map(|(a, v)| a * v).sum::<f64>();
            row.iter_mut().zip(&v).for_each(|(a, v)| *a -= share * v);
        }
        let v: Vec<f64> = (0..rows).map(|_| random.next()).collect();
        let by = 2.0 / v.iter().map(|v| v * v).sum::<f64>();
        let mut shares = vec![0.0; columns];
        for (row, v) in a.chunks_exact(columns).zip(&v) {
            shares.iter_mut().zip(row).for_each(|(share, a)| *share += by * a * v);
        }
        for (row, v) in a.chunks_exact_mut(columns).zip(&v) {
            row.iter_mut().zip(&shares).for_each(|(a, share)| *a -= share * v);
        }
    }
    a.into_iter().map(|value| value as f32).collect()
}

fn squares(values: &[f32]) -> f64 {
    values.iter().map(|value| f64::from(*value).powi(2)).sum()
}

/// What holds for every decomposition. Gives the relative error, computed anew in f64.
#[track_caller]
fn assert_sound(matrix: &[f32], rows: usize, columns: usize, rank: usize, svd: &Svd) -> f64 {
    let k = svd.rank;
    assert_eq!(k, rank.min(rows).min(columns));
    assert_eq!((svd.u.len(), svd.s.len(), svd.vt.len()), (rows * k, k, k * columns));
    assert_eq!(svd.parameters(), k * (rows + columns + 1));
    assert!(svd.s.is_sorted_by(|a, b| a >= b) && svd.s.iter().all(|s| *s >= 0.0), "{:?}", svd.s);
    for i in 0..k {
        for j in 0..=i {
            let unit = f64::from(i == j);
            let of_u: f64 = svd.u.chunks_exact(k).map(|row| f64::from(row[i]) * f64::from(row[j])).sum();
            let (vi, vj) = (&svd.vt[i * columns..][..columns], &svd.vt[j * columns..][..columns]);
            let of_v: f64 = vi.iter().zip(vj).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum();
            assert!(
                (of_u - unit).abs() <= 1e-5 && (of_v - unit).abs() <= 1e-5,
                "{rows} × {columns}, rank {rank}: {i}, {j}: {of_u} {of_v}"
            );
        }
        let peak = svd
            .u
            .chunks_exact(k)
            .fold(0.0f32, |peak, row| if row[i].abs() > peak.abs() { row[i] } else { peak });
        assert!(peak > 0.0, "column {i} points down");
    }
    let back = svd::reconstruct(&svd.u, &svd.s, &svd.vt, rows, columns, &GO_ON).unwrap();
    let left: f64 = matrix.iter().zip(&back).map(|(a, b)| (f64::from(*a) - f64::from(*b)).powi(2)).sum();
    let total = squares(matrix);
    let error = if total > 0.0 { (left / total).sqrt() } else { 0.0 };
    assert!((error - svd.relative_error).abs() <= 1e-3 * error + 2e-6, "{error} {}", svd.relative_error);
    assert!((svd.explained_variance - (1.0 - svd.relative_error.powi(2))).abs() < 1e-12);
    error
}

type Spectrum = (&'static str, fn(f64) -> f64);

const SPECTRA: [Spectrum; 7] = [
    ("exponential", |i| (-i / 40.0).exp()),
    ("steep", |i| (-i / 4.0).exp()),
    ("polynomial", |i| (1.0 + i).powf(-0.5)),
    ("harmonic", |i| 1.0 / (1.0 + i)),
    ("flat", |_| 3.0),
    ("low rank and noise", |i| if i < 20.0 { 10.0 - i / 4.0 } else { 0.05 }),
    ("low rank", |i| if i < 11.0 { 1.0 + i } else { 0.0 }),
];

/// The spectrum of a matrix: largest first.
fn values_of(spectrum: fn(f64) -> f64, count: usize) -> Vec<f64> {
    let mut s: Vec<f64> = (0..count).map(|i| spectrum(i as f64)).collect();
    s.sort_by(|a, b| b.total_cmp(a));
    s
}

/// The least relative error at a rank.
fn best(s: &[f64], rank: usize) -> f64 {
    let energy = |s: &[f64]| s.iter().map(|s| s * s).sum::<f64>();
    (energy(&s[rank..]) / energy(s)).sqrt()
}

#[test]
fn truncated_decompositions_of_known_spectra() {
    for (rows, columns) in [(700, 700), (650, 1100), (1300, 660)] {
        for (name, spectrum) in SPECTRA {
            let s = values_of(spectrum, rows.min(columns));
            let matrix = with_spectrum(rows, columns, &s, 7);
            for rank in [1, 16, 64] {
                let svd = svd::decompose(&matrix, rows, columns, rank, &GO_ON).unwrap();
                let error = assert_sound(&matrix, rows, columns, rank, &svd);
                let what = format!("{name}, {rows} × {columns}, rank {rank}: {error} of {}", best(&s, rank));
                assert!(error <= 1.01 * best(&s, rank) + 1e-5, "{what}");
                assert_eq!(svd, svd::decompose(&matrix, rows, columns, rank, &GO_ON).unwrap(), "{what}");
            }
        }
    }
}

/// A block of fewer vectors than the rank finds no more copies of a value than it has vectors.
#[test]
fn truncated_decompositions_of_equal_values() {
    const N: usize = 660;
    for (rank, equal) in [(41, 39), (64, 20), (64, 40), (64, 62), (64, 100)] {
        for (outlier, apart) in [(2.0, 0.0), (2.0, 2e-3), (2.0, 0.03), (2.0, 0.06), (1e4, 0.0), (1e5, 1e-3)] {
            for (name, rest) in [
                ("none", (|_| 0.0) as fn(f64) -> f64),
                ("flat", |i| 0.5 - 0.1 * i / N as f64),
                ("near", |i| 0.9 - 0.3 * i / N as f64),
                ("falling", |i| 0.7 / (1.0 + i).sqrt()),
                ("in steps", |i| if i < 40.0 { 0.8 } else { 0.1 }),
            ] {
                // Two that stand out, the equal ones, and the rest.
                let s: Vec<f64> = (0..N)
                    .map(|i| match i {
                        0 | 1 => outlier,
                        i if i < 2 + equal => 1.0 - apart * (i - 2) as f64 / equal as f64,
                        i => rest((i - 2 - equal) as f64),
                    })
                    .collect();
                let matrix = with_spectrum(N, N, &s, 13);
                let svd = svd::decompose(&matrix, N, N, rank, &GO_ON).unwrap();
                let error = assert_sound(&matrix, N, N, rank, &svd);
                let what = format!(
                    "{equal} equal but for {apart} below {outlier}, then {name}, rank {rank}: {error} of {}",
                    best(&s, rank)
                );
                assert!(error <= 1.01 * best(&s, rank) + 1e-5, "{what}");
            }
        }
    }
}

/// Columns stay orthonormal where many values are all but equal, and the basis moves a little.
#[test]
fn nearly_equal_values_have_orthonormal_vectors() {
    let s: Vec<f64> = (0..661).map(|i| [1.0, 0.9999, 0.9][i.min(208) / 104]).collect();
    let matrix = with_spectrum(700, 661, &s, 17);
    let svd = svd::decompose(&matrix, 700, 661, 104, &GO_ON).unwrap();
    assert_sound(&matrix, 700, 661, 104, &svd);
}

#[test]
fn exact_decompositions_of_known_spectra() {
    for (rows, columns) in [(160, 160), (90, 300), (300, 90)] {
        for (name, spectrum) in SPECTRA {
            let s = values_of(spectrum, rows.min(columns));
            let matrix = with_spectrum(rows, columns, &s, 11);
            let all = svd::spectrum(&matrix, rows, columns, &GO_ON).unwrap();
            for (found, known) in all.iter().zip(&s).filter(|(_, s)| **s > 1e-4 * all[0]) {
                assert!((found / known - 1.0).abs() < 1e-4, "{name}: {found} {known}");
            }
            for rank in [1, 30, 90, 1000] {
                let svd = svd::decompose(&matrix, rows, columns, rank, &GO_ON).unwrap();
                let error = assert_sound(&matrix, rows, columns, rank, &svd);
                let best = best(&s, svd.rank);
                assert!(error <= 1.0001 * best + 2e-6, "{name}, {rows} × {columns}: {error} {best}");
                for (found, known) in svd.s.iter().zip(&s).filter(|(_, s)| **s > 1e-4 * all[0]) {
                    assert!((f64::from(*found) / known - 1.0).abs() < 1e-4, "{name}: {found} {known}");
                }
            }
        }
    }
}

/// A truncated decomposition spans what the exact one does, where the spectrum has a gap.
#[test]
fn subspaces_agree() {
    let s = values_of(|i| if i < 24.0 { 5.0 - i / 10.0 } else { 1.0 / (1.0 + i / 100.0) }, 700);
    let matrix = with_spectrum(700, 900, &s, 3);
    let truncated = svd::decompose(&matrix, 700, 900, 24, &GO_ON).unwrap();
    let exact = svd::decompose(&matrix, 700, 900, 700, &GO_ON).unwrap();
    for (i, known) in s.iter().enumerate().take(24) {
        // A vector's share in the other subspace is the square of the cosine of its angle to it.
        let share = |x: &dyn Fn(usize) -> f64, y: &dyn Fn(usize, usize) -> f64, length: usize| {
            let shares = (0..24)
                .map(|j| (0..length).map(|position| x(position) * y(position, j)).sum::<f64>().powi(2));
            shares.sum::<f64>()
        };
        let of_u = share(
            &|position| truncated.u[position * 24 + i].into(),
            &|position, j| exact.u[position * 700 + j].into(),
            700,
        );
        let of_v = share(
            &|position| truncated.vt[i * 900 + position].into(),
            &|position, j| exact.vt[j * 900 + position].into(),
            900,
        );
        assert!((1.0 - of_u).abs() < 1e-4 && (1.0 - of_v).abs() < 1e-4, "{i}: {of_u} {of_v}");
        let found = f64::from(truncated.s[i]);
        assert!((found / known - 1.0).abs() < 1e-4, "{i}: {found} {known}");
    }
}

#[test]
fn the_originals_example_takes_262208_numbers() {
    let s = values_of(|i| (-i / 30.0).exp(), 2048);
    let matrix = with_spectrum(2048, 2048, &s, 5);
    let svd = svd::decompose(&matrix, 2048, 2048, 64, &GO_ON).unwrap();
    assert_eq!(svd.parameters(), 262_208);
    assert!((1.0 - svd.parameters() as f64 / matrix.len() as f64 - 0.9375).abs() < 1e-4);
    assert!(svd.relative_error <= 1.01 * best(&s, 64), "{} {}", svd.relative_error, best(&s, 64));
}

#[test]
fn degenerate_matrices() {
    for (rows, columns) in [(1, 1), (1, 9), (9, 1), (4, 4), (700, 650), (2, 2000)] {
        for rank in [1, 2, 100] {
            let matrix = vec![0.0; rows * columns];
            let svd = svd::decompose(&matrix, rows, columns, rank, &GO_ON).unwrap();
            assert_eq!(assert_sound(&matrix, rows, columns, rank, &svd), 0.0);
            assert_eq!((svd.explained_variance, svd.relative_error), (1.0, 0.0));
            // One number, and one row that all the others are.
            let mut matrix = matrix;
            matrix[rows * columns / 2] = -2.0;
            let svd = svd::decompose(&matrix, rows, columns, rank, &GO_ON).unwrap();
            assert!(assert_sound(&matrix, rows, columns, rank, &svd) < 1e-6);
            assert_eq!(svd.s[0], 2.0);
            let matrix: Vec<f32> = (0..rows * columns).map(|i| (i % columns) as f32 - 3.5).collect();
            let svd = svd::decompose(&matrix, rows, columns, rank, &GO_ON).unwrap();
            assert!(assert_sound(&matrix, rows, columns, rank, &svd) < 2e-6);
        }
    }
}

/// Copies of a few rows leave nothing but rounding of rounding of most singular values.
#[test]
fn copies_of_rows_have_a_spectrum() {
    for (n, distinct, is_signed) in [(700, 1, false), (700, 20, true), (2048, 64, false)] {
        let mut state = 1u32;
        let block: Vec<f32> = (0..distinct * n)
            .map(|_| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                let value = f32::from_bits(0x3f00_0000 | (state >> 8));
                if is_signed && state & 1 << 31 != 0 { -value } else { value }
            })
            .collect();
        let matrix: Vec<f32> = block.iter().copied().cycle().take(n * n).collect();
        for (rows, columns) in [(n, n), (n / 2, 2 * n)] {
            let s = svd::spectrum(&matrix, rows, columns, &GO_ON).expect("it has a spectrum");
            let (sum, all) = (s.iter().map(|s| s * s).sum::<f64>(), squares(&matrix));
            assert!((sum / all - 1.0).abs() < 1e-12, "{distinct} rows: {sum} of {all}");
            assert!(s[distinct] < 1e-6 * s[0], "{distinct} rows: {} beside {}", s[distinct], s[0]);
            // A row of the wide matrix is two of the block.
            let rank = if rows < n { distinct.div_ceil(2) } else { distinct };
            assert_eq!(svd::rank_loss(&s, rows, columns), rows.min(columns) - rank, "{distinct} rows");
            let svd = svd::decompose(&matrix, rows, columns, n / 3, &GO_ON).expect("it decomposes");
            assert_sound(&matrix, rows, columns, n / 3, &svd);
        }
    }
}

#[test]
fn extremes_of_magnitude() {
    let s = values_of(|i| 1.0 / (1.0 + i), 650);
    let matrix = with_spectrum(650, 700, &s, 9);
    for by in [1e-37f32, 1e-30, 1e30, 3e38] {
        let matrix: Vec<f32> = matrix.iter().map(|value| value * by).collect();
        for rank in [8, 300] {
            let svd = svd::decompose(&matrix, 650, 700, rank, &GO_ON).unwrap();
            let largest = f64::from(svd.s[0]) / f64::from(by);
            assert!((largest - 1.0).abs() < 1e-4, "{by:e}: {largest}");
            assert!(svd.relative_error <= 1.01 * best(&s, rank));
        }
    }
    // What overflows on the way only.
    for (u, s, vt, expected) in [
        (&[0.5f32, 0.5][..], &[3e38f32][..], &[2.0f32, 1.0][..], &[3e38f32, 1.5e38, 3e38, 1.5e38][..]),
        (&[1.0, 1.0, 1.0], &[3e38; 3], &[1.0, 1.0, -1.5], &[1.5e38]),
        (&[f32::INFINITY], &[10.0], &[1.0], &[f32::INFINITY]),
    ] {
        let (rows, columns) = (u.len() / s.len(), vt.len() / s.len());
        let back = svd::reconstruct(u, s, vt, rows, columns, &GO_ON).unwrap();
        assert!(back.iter().zip(expected).all(|(a, b)| a == b || (a / b - 1.0).abs() < 1e-6), "{back:?}");
    }
    let error = svd::reconstruct(&[3e38], &[10.0], &[1.0], 1, 1, &GO_ON).unwrap_err();
    assert!(matches!(error, SvdError::Overflow), "{error}");
    let error = svd::decompose(&[3e38; 4], 2, 2, 1, &GO_ON).unwrap_err();
    assert!(matches!(error, SvdError::TooLarge(_)), "{error}");
}

/// To the last bit, errors included, whether what is left is computed from the squares or from the matrix.
#[test]
fn results_do_not_depend_on_the_number_of_threads() {
    for spectrum in [|i: f64| (-i / 8.0).exp(), |i: f64| (1.0 + i).powf(-0.5)] {
        let matrix = with_spectrum(700, 720, &values_of(spectrum, 700), 11);
        let with = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| svd::decompose(&matrix, 700, 720, 33, &GO_ON).unwrap())
        };
        let one = with(1);
        assert!([2, 3, 5].into_iter().all(|threads| with(threads) == one));
    }
}

#[test]
fn what_cannot_be_decomposed_is_refused() {
    let message = |values: &[f32], rows, columns, rank| {
        svd::decompose(values, rows, columns, rank, &GO_ON).unwrap_err().to_string()
    };
    assert_eq!(message(&[1.0; 6], 2, 4, 1), "a matrix of 2 by 4 has 8 values but 6 are given");
    assert_eq!(message(&[], 0, 4, 1), "a matrix of 0 by 4 cannot be decomposed: it is empty");
    assert_eq!(message(&[1.0; 6], 2, 3, 0), "the rank of a decomposition must be 1 or more, not 0");
    assert!(message(&[1.0; 6], usize::MAX, 3, 1).contains("but 6 are given"));
    let mut values = [1.0; 200];
    values[151] = f32::NAN;
    assert_eq!(message(&values, 4, 50, 1), "a matrix with NaN at row 3, column 1 cannot be decomposed");
    values[151] = f32::NEG_INFINITY;
    assert_eq!(message(&values, 4, 50, 1), "a matrix with -inf at row 3, column 1 cannot be decomposed");
    let cancel = AtomicBool::new(true);
    for (rows, columns) in [(800, 800), (20, 20)] {
        let values = vec![1.0; rows * columns];
        assert!(matches!(svd::decompose(&values, rows, columns, 8, &cancel), Err(SvdError::Cancelled)));
        assert!(matches!(svd::spectrum(&values, rows, columns, &cancel), Err(SvdError::Cancelled)));
    }
    assert!(matches!(
        svd::reconstruct(&[1.0; 3], &[1.0], &[1.0; 3], 3, 2, &GO_ON),
        Err(SvdError::Shape { .. })
    ));
    assert!(svd::reconstruct(&[], &[], &[], 3, 2, &GO_ON).unwrap() == [0.0; 6]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    /// Whatever the shape, the rank and the kind of values.
    #[test]
    fn any_matrix_decomposes(
        rows in 1usize..90,
        columns in 1usize..90,
        rank in 1usize..100,
        true_rank in 0usize..90,
        seed: u64,
        falling in 0.0..3.0f64,
    ) {
        let count = rows.min(columns);
        let spectrum = |i: usize| if i < true_rank { (1.0 + i as f64).powf(-falling) } else { 0.0 };
        let s: Vec<f64> = (0..count).map(spectrum).collect();
        let matrix = with_spectrum(rows, columns, &s, seed);
        let svd = svd::decompose(&matrix, rows, columns, rank, &GO_ON).unwrap();
        let error = assert_sound(&matrix, rows, columns, rank, &svd);
        if true_rank > 0 {
            prop_assert!(error <= 1.0001 * best(&s, svd.rank) + 2e-6);
        }
    }
}

#[test]
fn figures_of_a_spectrum() {
    let s = [3.0, 4.0f64.sqrt(), 1.0, 1.0, 0.0];
    assert_eq!(svd::spectral_norm(&s), 3.0);
    assert!((svd::stable_rank(&s) - 15.0 / 9.0).abs() < 1e-15);
    assert!((svd::effective_rank(&[2.0; 7]) - 7.0).abs() < 1e-12);
    assert!((svd::effective_rank(&[2.0, 0.0]) - 1.0).abs() < 1e-15);
    let energy = svd::cumulative_energy(&s);
    assert!((energy[1] - 13.0 / 15.0).abs() < 1e-15 && energy[4] == 1.0);
    for (target, rank) in [(0.0, 1), (0.6, 1), (0.61, 2), (14.0 / 15.0, 3), (1.0, 4), (2.0, 5)] {
        assert_eq!(svd::rank_for_energy(&s, target), rank, "{target}");
    }
    let nothing = [0.0; 3];
    assert_eq!((svd::effective_rank(&nothing), svd::stable_rank(&nothing)), (0.0, 0.0));
    assert_eq!(
        (svd::effective_rank(&[]), svd::spectral_norm(&[]), svd::rank_for_energy(&[], 0.5)),
        (0.0, 0.0, 0)
    );
    assert_eq!(svd::rank_for_energy(&nothing, 0.9), 1);
}

#[test]
fn convolutions_are_out_by_rest() {
    for (shape, expected) in [
        (&[5][..], Some((1, 5))),
        (&[4, 3], Some((4, 3))),
        (&[64, 3, 7, 7], Some((64, 147))),
        (&[], None),
        (&[4, 0], None),
        (&[1 << 40, 1 << 40], None),
    ] {
        assert_eq!(svd::matrix_shape(shape), expected);
    }
}

#[track_caller]
fn assert_fit(s: &[f64], alpha: f64, xmin: f64, distance: f64, tail: usize) {
    let law = svd::power_law(s, &GO_ON).unwrap().unwrap();
    let close = |a: f64, b: f64| (a / b - 1.0).abs() < 1e-6;
    assert!(close(law.alpha, alpha) && close(law.xmin, xmin) && law.tail == tail, "{law:?}");
    assert!(close(law.distance, distance), "{law:?}");
    assert!(close(law.sigma, (alpha - 1.0) / (tail as f64).sqrt()), "{law:?}");
}

#[test]
fn power_laws_are_those_of_powerlaw() {
    let s: Vec<f64> =
        (0..400).map(|i| 40.0 / (1.0 + i as f64).powf(0.7) + 0.3 * (i as f64).sin().powi(2)).collect();
    assert_fit(&s, 1.8179081545556848, 0.7353898867639622, 0.018648880744884133, 326);
    let slopes = |i: f64| if i < 120.0 { 900.0 / (i + 1.0) } else { 7.5 - i / 64.0 };
    let s: Vec<f64> = (0..400).map(|i| slopes(i as f64) * (1.0 + 0.1 * (3.0 * i as f64).cos())).collect();
    assert_fit(&s, 1.5255334059457275, 182.55480969407063, 0.032559953090634794, 67);
    let s: Vec<f64> = (0..400).map(|i| (60.0 / (1.0 + i as f64).sqrt()).floor() + 1.0).collect();
    assert_fit(&s, 2.233545518077128, 81.0, 0.04387351083475821, 56);
    for nothing in [&[][..], &[1.0], &[2.0, 1.0], &[3.0; 9]] {
        assert_eq!(svd::power_law(nothing, &GO_ON).unwrap(), None);
    }
}

#[test]
fn measures_of_little_and_of_nothing() {
    let of = |s: &[f64]| svd::Measures::new(s, 3, 5, &GO_ON).unwrap();
    let zero = of(&[0.0; 3]);
    assert_eq!((zero.rank_loss, zero.law, zero.log_alpha_norm), (3, None, None));
    assert_eq!((svd::log_square(0.0), svd::alpha_weighted(2.0, 0.0)), (None, None));
    // Numbers that would overflow or vanish as squares, let alone as powers.
    for unit in [1e-300, 1e-30, 1.0, 1e30] {
        let s: Vec<f64> = [64.0, 4.0, 2.0].iter().map(|s| s * unit).collect();
        let found = of(&s);
        let alpha = found.law.unwrap().alpha;
        let sum: f64 = [64.0f64, 4.0, 2.0].iter().map(|s| s.powf(2.0 * alpha)).sum();
        let known = sum.log10() + 2.0 * alpha * unit.log10();
        assert!((found.log_alpha_norm.unwrap() - known).abs() < 1e-9 * known.abs().max(1.0), "{unit}");
        assert_eq!(found.rank_loss, 0);
    }
    assert_eq!(svd::rank_loss(&[1.0, 1e-7, 1e-9, 0.0], 4, 4), 2);
    assert_eq!(svd::rank_loss(&[], 0, 0), 0);
}

/// A weight of a model under target/models as a matrix.
fn weight(model: &str, tensor: &str) -> Option<(Vec<f32>, usize, usize)> {
    let path = root().join("target/models").join(model);
    if !path.exists() {
        println!("SKIPPED: {model} is absent (tools/fetch-models)");
        return None;
    }
    let files = open_path(&path).unwrap();
    let model = formats::parse(&files, None, Detail::Summary).unwrap();
    let tensor = model.tensors.iter().find(|found| found.name == tensor).expect("the tensor is there");
    let mut bytes = vec![0; tensor.byte_length as usize];
    files.source(tensor.file_no).read_at(tensor.offset, &mut bytes).unwrap();
    let Weights::F32(values) = decode(tensor.dtype, &bytes).unwrap() else { panic!("not f32") };
    let (rows, columns) = svd::matrix_shape(&tensor.shape).unwrap();
    Some((values, rows, columns))
}

struct Golden {
    tensor: &'static str,
    s: [f64; 6],
    law: (f64, f64, f64, usize),
    effective_rank: f64,
    stable_rank: f64,
    weightwatcher: [f64; 4],
    u: [f64; 3],
    vt: [f64; 3],
}

#[test]
fn weights_of_minilm_agree_with_numpy() {
    for golden in [
        Golden {
            tensor: "encoder.layer.0.attention.self.query.weight",
            s: [
                6.1249900964575685,
                6.065561026567832,
                4.691643731837631,
                2.589553517718449,
                0.98198923004572,
                0.002525195383715864,
            ],
            law: (2.4597221182382314, 5.298807253303745, 0.08425851999825612, 82),
            effective_rank: 260.83869260055985,
            stable_rank: 35.81556005650007,
            weightwatcher: [3.872121078384426, 3.1282825283609474, 1.5742107816462645, 4.80940718887245],
            u: [0.0013212603, -0.0051590216, 0.0014587018],
            vt: [0.047815206, -0.06721736, -0.0032525289],
        },
        Golden {
            tensor: "encoder.layer.3.intermediate.dense.weight",
            s: [
                9.391091527056162,
                6.010680826789348,
                4.843865483736993,
                3.2684594341988737,
                2.0508346296337696,
                0.5753137453506277,
            ],
            law: (3.4104597899999454, 10.61514769624956, 0.05275528887767639, 65),
            effective_rank: 347.4062998980532,
            stable_rank: 28.036158391756626,
            weightwatcher: [6.634818109948457, 3.393150651428177, 1.9454321465401414, 6.7711770906964235],
            u: [0.007601033, 0.016053225, 0.048337357],
            vt: [0.02520007, -0.00227189, -0.00082005604],
        },
    ] {
        let Some((matrix, rows, columns)) = weight("minilm-l6-v2.safetensors", golden.tensor) else { return };
        let s = svd::spectrum(&matrix, rows, columns, &GO_ON).unwrap();
        for (place, known) in [0, 1, 9, 63, 200, 383].into_iter().zip(golden.s) {
            assert!((s[place] / known - 1.0).abs() < 1e-6, "{place}: {} {known}", s[place]);
        }
        let (alpha, xmin, distance, tail) = golden.law;
        assert_fit(&s, alpha, xmin, distance, tail);
        assert!((svd::effective_rank(&s) / golden.effective_rank - 1.0).abs() < 1e-6);
        assert!((svd::stable_rank(&s) / golden.stable_rank - 1.0).abs() < 1e-6);
        let found = svd::Measures::new(&s, rows, columns, &GO_ON).unwrap();
        let logs = [
            svd::alpha_weighted(found.law.unwrap().alpha, found.spectral_norm),
            svd::log_square(found.frobenius_norm),
            svd::log_square(found.spectral_norm),
            found.log_alpha_norm,
        ];
        for (found, known) in logs.into_iter().zip(golden.weightwatcher) {
            assert!((found.unwrap() / known - 1.0).abs() < 1e-6, "{found:?} {known}");
        }
        assert_eq!(found.rank_loss, 0);
        for rank in [64, 384] {
            let svd = svd::decompose(&matrix, rows, columns, rank, &GO_ON).unwrap();
            let error = assert_sound(&matrix, rows, columns, rank, &svd);
            assert!(error <= 1.0001 * best(&s, rank) + 2e-6, "{error}");
            for i in 0..3 {
                assert!((f64::from(svd.u[i * rank]) - golden.u[i]).abs() < 2e-6, "{:?}", &svd.u[i * rank]);
                assert!((f64::from(svd.vt[i]) - golden.vt[i]).abs() < 2e-6, "{:?}", &svd.vt[i]);
            }
            for (found, known) in svd.s.iter().zip(&s) {
                assert!((f64::from(*found) / known - 1.0).abs() < 1e-4, "{found} {known}");
            }
        }
    }
}

#[test]
fn quantized_weights_of_smollm2() {
    let Some((matrix, rows, columns)) = weight("smollm2-135m-q4_1.gguf", "blk.0.ffn_up.weight") else {
        return;
    };
    let s = svd::spectrum(&matrix, rows, columns, &GO_ON).unwrap();
    let total = squares(&matrix);
    assert!((s.iter().map(|s| s * s).sum::<f64>() / total - 1.0).abs() < 1e-9);
    for rank in [32, rows.min(columns)] {
        let svd = svd::decompose(&matrix, rows, columns, rank, &GO_ON).unwrap();
        let error = assert_sound(&matrix, rows, columns, rank, &svd);
        assert!(error <= 1.01 * best(&s, rank) + 2e-6, "{error} {}", best(&s, rank));
    }
}
