use super::basis::Basis;
use super::exact::{self, Matrix};
use super::goal::Goal;
use super::norms::Norms;
use super::product::{Factor, Normal, Onto, cross, plain, turned};
use super::random::Random;
use super::{decompose_exactly, lanczos, symmetric, tridiagonal, truncated};
use std::sync::atomic::AtomicBool;

static GO_ON: AtomicBool = AtomicBool::new(false);

fn naive(a: &[f32], b: &[f32], rows: usize, inner: usize, width: usize, is_turned: bool) -> Vec<f64> {
    let mut out = vec![0.0; rows * width];
    for i in 0..rows {
        for k in 0..inner {
            let a = f64::from(if is_turned { a[k * rows + i] } else { a[i * inner + k] });
            for j in 0..width {
                out[i * width + j] += a * f64::from(b[k * width + j]);
            }
        }
    }
    out
}

fn assert_close(ours: impl Iterator<Item = f64>, expected: &[f64], tolerance: f64, what: &str) {
    let maximum = ours.zip(expected).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
    assert!(maximum <= tolerance, "{what}: off by {maximum:e}");
}

#[test]
fn products_agree_with_the_plain_sum() {
    let mut random = Random::new(1);
    // Around the sizes of tiles, inner blocks and tasks.
    for (rows, inner, width) in [
        (1, 1, 1),
        (5, 7, 3),
        (6, 16, 16),
        (97, 257, 17),
        (200, 600, 72),
        (1, 300, 33),
        (300, 1, 5),
        (260, 530, 8),
        (600, 100, 33),
        (3, 70_000, 2),
    ] {
        let a = random.matrix(rows * inner).unwrap();
        let b = random.matrix(inner * width).unwrap();
        let tolerance = 1e-6 * inner as f64;
        let what = format!("{rows} × {inner} × {width}");
        let expected = naive(&a, &b, rows, inner, width, false);
        let mut out = vec![7.0; rows * width];
        plain(&a, inner, Factor::new(&b, width), Onto::Nothing, &mut out, &GO_ON).unwrap();
        assert_close(out.iter().map(|v| f64::from(*v)), &expected, tolerance, &what);
        plain(&a, inner, Factor { values: &b, width, scale: -0.5 }, Onto::Sum, &mut out, &GO_ON).unwrap();
        assert_close(out.iter().map(|v| 2.0 * f64::from(*v)), &expected, 2.0 * tolerance, &what);
        let expected = naive(&a, &b, rows, inner, width, true);
        turned(&a, rows, Factor::new(&b, width), &mut out, &GO_ON).unwrap();
        assert_close(out.iter().map(|v| f64::from(*v)), &expected, tolerance, &what);
        assert_close(
            cross(&[(&a[..], rows)], &b, width, &GO_ON).unwrap().into_iter(),
            &expected,
            tolerance,
            &what,
        );
    }
}

#[test]
fn both_products_in_one_pass() {
    let mut random = Random::new(5);
    for (rows, columns, width) in [(1, 1, 1), (63, 49, 7), (65, 96, 16), (530, 300, 33), (3, 70_000, 2)] {
        let a = random.matrix(rows * columns).unwrap();
        let mut normal = Normal::new(&a, columns);
        // Twice, as memory is used again.
        for _ in 0..2 {
            let b = random.matrix(columns * width).unwrap();
            let b = Factor { values: &b, width, scale: 0.5 };
            let (image, back) = normal.times(b, &GO_ON).unwrap();
            let (mut expected, mut expected_back) = (vec![0.0; image.len()], vec![0.0; back.len()]);
            plain(&a, columns, b, Onto::Nothing, &mut expected, &GO_ON).unwrap();
            assert_eq!(image, expected, "{rows} × {columns} × {width}");
            turned(&a, columns, Factor { values: &image, ..b }, &mut expected_back, &GO_ON).unwrap();
            let expected: Vec<f64> = expected_back.into_iter().map(f64::from).collect();
            let tolerance = 1e-6 * rows as f64 * (columns as f64).sqrt();
            let what = format!("{rows} × {columns} × {width}, back");
            assert_close(back.iter().map(|v| f64::from(*v)), &expected, tolerance, &what);
        }
    }
}

/// Residuals, orthogonality and order of eigenpairs of a symmetric matrix.
fn check_eigen(a: &[f64], n: usize, what: &str) {
    let norm = a.iter().fold(f64::MIN_POSITIVE, |maximum, v| maximum.max(v.abs())) * n as f64;
    let all = symmetric::eigenvalues(a.to_vec(), n, &GO_ON).unwrap();
    for keep in [n, n.div_ceil(3)] {
        let eigen = symmetric::largest(a.to_vec(), n, keep, &GO_ON).unwrap();
        assert_eq!(eigen.values.len(), keep, "{what}");
        assert_close(eigen.values.iter().copied(), &all, 1e-14 * norm, what);
        assert!(eigen.values.is_sorted_by(|a, b| a >= b), "{what}");
        let (mut residual, mut angle) = (0.0f64, 0.0f64);
        for (i, v) in eigen.rows.chunks_exact(n).enumerate() {
            for (row, v_row) in a.chunks_exact(n).zip(v) {
                let product: f64 = row.iter().zip(v).map(|(a, v)| a * v).sum();
                residual = residual.max((product - eigen.values[i] * v_row).abs());
            }
            for (j, w) in eigen.rows.chunks_exact(n).enumerate() {
                let product: f64 = v.iter().zip(w).map(|(v, w)| v * w).sum();
                angle = angle.max((product - f64::from(i == j)).abs());
            }
        }
        assert!(residual <= 1e-13 * norm, "{what}: residual {residual:e} of {norm:e}");
        assert!(angle <= 1e-12, "{what}: not orthogonal by {angle:e}");
    }
    let trace: f64 = (0..n).map(|i| a[i * n + i]).sum();
    assert!((all.iter().sum::<f64>() - trace).abs() <= 1e-12 * norm, "{what}");
}

/// Q·diag(values)·Qᵀ, with Q a product of two reflections.
fn symmetric_with(values: &[f64], random: &mut Random) -> Vec<f64> {
    let n = values.len();
    let mut a = vec![0.0; n * n];
    values.iter().enumerate().for_each(|(i, value)| a[i * n + i] = *value);
    for _ in 0..2 {
        let v: Vec<f64> = random.matrix(n).unwrap().into_iter().map(f64::from).collect();
        let by = 2.0 / v.iter().map(|v| v * v).sum::<f64>();
        for _ in 0..2 {
            for row in a.chunks_exact_mut(n) {
                let share: f64 = by * row.iter().zip(&v).map(|(a, v)| a * v).sum::<f64>();
                row.iter_mut().zip(&v).for_each(|(a, v)| *a -= share * v);
            }
            a = (0..n * n).map(|i| a[i % n * n + i / n]).collect();
        }
    }
    a
}

/// A name, and the values by their places and the middle one's.
type Spectrum = (&'static str, fn(usize, f64) -> f64);

#[test]
fn eigenpairs_of_all_kinds_of_spectra() {
    let mut random = Random::new(2);
    for n in [1, 2, 3, 31, 33, 64, 100, 257] {
        let middle = n as f64 / 2.0;
        let spectra: [Spectrum; 6] = [
            ("falling", |i, _| 1.0 / (i + 1) as f64),
            ("steep", |i, _| (-0.3 * i as f64).exp()),
            ("flat", |_, _| 2.5),
            ("two clusters", |i, _| if i % 2 == 0 { 1.0 } else { 1.0 + 1e-15 * i as f64 }),
            ("low rank", |i, _| if i < 3 { 4.0 } else { 0.0 }),
            ("both signs", |i, middle| i as f64 - middle),
        ];
        for (name, spectrum) in spectra {
            let values: Vec<f64> = (0..n).map(|i| spectrum(i, middle)).collect();
            check_eigen(&symmetric_with(&values, &mut random), n, &format!("{name}, {n}"));
        }
        let half: Vec<f64> = random.matrix(n * n).unwrap().into_iter().map(f64::from).collect();
        let a: Vec<f64> = (0..n * n).map(|i| half[i] + half[i % n * n + i / n]).collect();
        check_eigen(&a, n, &format!("random, {n}"));
        check_eigen(&a.iter().map(|a| a * 1e-90).collect::<Vec<_>>(), n, &format!("tiny, {n}"));
        check_eigen(&a.iter().map(|a| a * 1e77).collect::<Vec<_>>(), n, &format!("huge, {n}"));
    }
}

#[test]
fn tridiagonal_matrices_that_are_hard_to_divide() {
    // Wilkinson's W⁺ has pairs of eigenvalues that agree to the last digit; glued, clusters of them.
    let wilkinson: Vec<f64> = (0..21).map(|i| (i as f64 - 10.0).abs()).collect();
    for glue in [0.0, 1e-14, 1e-7, 1.0] {
        let d = wilkinson.repeat(8);
        let e: Vec<f64> = (1..d.len()).map(|i| if i % 21 == 0 { glue } else { 1.0 }).collect();
        let n = d.len();
        let mut a = vec![0.0; n * n];
        for i in 0..n {
            a[i * n + i] = d[i];
            if i + 1 < n {
                (a[i * n + i + 1], a[(i + 1) * n + i]) = (e[i], e[i]);
            }
        }
        check_eigen(&a, n, &format!("glue {glue:e}"));
        let (mut values, mut rest) = (d.clone(), e.clone());
        tridiagonal::ql(&mut values, &mut rest, None, 10.0, &GO_ON).unwrap();
        values.sort_by(|a, b| b.total_cmp(a));
        let divided = tridiagonal::largest(&d, &e, n, &GO_ON).unwrap();
        assert_close(divided.values.into_iter(), &values, 1e-13, "divide and conquer, QL");
    }
}

#[test]
fn a_basis_leaves_out_what_depends() {
    let (length, width) = (300, 12);
    let mut random = Random::new(3);
    let mut y = random.matrix(length * width).unwrap();
    for row in y.chunks_exact_mut(width) {
        (row[3], row[5], row[7]) = (row[0] - row[1], 0.0, 1e-3 * row[2]);
    }
    let mut basis = Basis::new(length);
    let c = basis.extend(y.clone(), width, None, &GO_ON).unwrap();
    assert_eq!(basis.width(), 9);
    let again = basis.extend(y.clone(), width, None, &GO_ON).unwrap();
    assert_eq!((basis.width(), again.len()), (9, 9 * width));
    let c: Vec<f32> = c.into_iter().map(|value| value as f32).collect();
    let back = basis.times(&c, width, &GO_ON).unwrap();
    assert_close(
        back.iter().map(|v| f64::from(*v)),
        &y.iter().map(|v| f64::from(*v)).collect::<Vec<_>>(),
        1e-5,
        "y",
    );
    basis.complete(length, &mut random, &GO_ON).unwrap();
    assert_eq!(basis.width(), length);
    let all = basis.into_columns().unwrap();
    let unit: Vec<f64> = (0..length * length).map(|i| f64::from(i % (length + 1) == 0)).collect();
    assert_close(
        cross(&[(&all[..], length)], &all, length, &GO_ON).unwrap().into_iter(),
        &unit,
        1e-5,
        "unit",
    );
}

/// The truncated method on matrices small enough to know the best there is, also where `decompose`
/// would take the exact one.
#[test]
fn truncation_comes_within_a_hundredth_of_the_best() {
    let mut random = Random::new(4);
    for (rows, columns, ranks) in [
        (160, 160, &[1, 3, 8, 26][..]),
        (200, 500, &[1, 3, 8, 26]),
        (500, 200, &[1, 3, 8, 26]),
        (400, 420, &[34, 48, 66]),
    ] {
        let noise = random.matrix(rows * columns).unwrap();
        for &rank in ranks {
            let left = random.matrix(rows * rank).unwrap();
            let right = random.matrix(rank * columns).unwrap();
            for strength in [0.0, 0.3, 3.0] {
                let mut values = noise.clone();
                let right = Factor { values: &right, width: columns, scale: strength };
                plain(&left, rank, right, Onto::Sum, &mut values, &GO_ON).unwrap();
                let a = Matrix { values: &values, rows, columns };
                let s = exact::values(a, &GO_ON).unwrap();
                let squares: f64 = values.iter().map(|v| f64::from(*v).powi(2)).sum();
                let norms = Norms { squares, largest: values.iter().fold(0.0, |a, b| a.max(b.abs())) };
                let thin = truncated::truncated(a, rank, &norms, &GO_ON).unwrap();
                let error = (squares - thin.s.iter().map(|s| s * s).sum::<f64>()).sqrt();
                let best = s[rank..].iter().map(|s| s * s).sum::<f64>().sqrt();
                let what = format!("{rows} × {columns}, rank {rank}, strength {strength}");
                assert!(error <= 1.01 * best, "{what}: {}", error / best);
                let exactly = decompose_exactly(&values, rows, columns, rank).unwrap();
                assert!((exactly.relative_error * squares.sqrt() / best - 1.0).abs() < 1e-5, "{what}");
            }
        }
    }
}

/// The quick method decides for itself what it can do.
#[test]
fn lanczos_gives_up_where_values_drown_in_rounding() {
    let (n, rank) = (300, 16);
    let found = |spectrum: fn(usize) -> f32| {
        let mut values = vec![0.0; n * n];
        (0..n).for_each(|i| values[i * n + i] = spectrum(i));
        let squares = values.iter().map(|v| f64::from(*v).powi(2)).sum();
        let goal = Goal { rank, width: rank, by: 1.0, squares };
        let a = Matrix { values: &values, rows: n, columns: n };
        lanczos::search(a, &goal, &mut Random::new(6), &GO_ON).unwrap()
    };
    let thin = found(|i| 1.0 / (1 + i) as f32).expect("its values are near enough to each other");
    for (i, s) in thin.s.iter().enumerate() {
        assert!((s * (1 + i) as f64 - 1.0).abs() < 0.02, "{i}: {s}");
    }
    for spectrum in [
        |i| (-(i as f32)).exp(),
        |i| if i < 8 { 1.0 } else { 0.0 },
        |i| if i < 15 { 1.0 } else { 1e-3 },
        |_| 1.0,
    ] {
        assert!(found(spectrum).is_none());
    }
}
