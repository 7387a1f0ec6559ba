use super::locality::clusters;
use super::*;
use proptest::prelude::*;
use std::collections::BTreeSet;

const BOTH: [Curve; 2] = [Curve::Hilbert, Curve::Morton];

fn bits(n: u32) -> Precision {
    Precision::new(n).unwrap()
}

/// Numbers that look random, the same in every run.
fn numbers(mut state: u64) -> impl Iterator<Item = u64> {
    std::iter::repeat_with(move || {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        state ^ state >> 29
    })
}

fn random_cells(seed: u64, count: usize) -> Vec<[u32; 3]> {
    let coordinate = |word: u64| (word >> 20) as u32 & 0x1f_ffff;
    let mut words = numbers(seed);
    std::iter::repeat_with(|| std::array::from_fn(|_| coordinate(words.next().unwrap())))
        .take(count)
        .collect()
}

/// Each axis in order of its bits: what interleaving means, without cleverness.
fn interleave(cell: &[u32], bits: u32) -> u64 {
    let mut index = 0;
    for bit in (0..bits).rev() {
        for c in cell {
            index = index << 1 | u64::from(c >> bit & 1);
        }
    }
    index
}

#[test]
fn hilbert_is_a_hilbert_curve_at_small_orders() {
    for order in 1..=4 {
        let precision = bits(order);
        let side = 1 << order;
        let mut seen = BTreeSet::new();
        let mut before: Option<[u32; 3]> = None;
        for index in 0..=precision.max_index() {
            let cell = hilbert::decode(index, precision);
            assert!(
                cell.iter().all(|&c| c < side) && seen.insert(cell),
                "order {order}: {cell:?} at {index}"
            );
            assert_eq!(hilbert::encode(cell, precision), index);
            let steps = before.map_or(1, |b| (0..3).map(|axis| b[axis].abs_diff(cell[axis])).sum::<u32>());
            assert_eq!(steps, 1, "order {order}: {before:?} to {cell:?}");
            before = Some(cell);
        }
        assert_eq!(seen.len(), (side as usize).pow(3));
    }
}

/// The two are independent: crate lindel works on its own code of Skilling's transform. Its curve is
/// that of 32 bits for each axis, so our 21 bits are its top ones.
#[test]
fn hilbert_is_skillings_curve() {
    let cells = random_cells(1, 1_000_000);
    let mut indices = Vec::new();
    hilbert::encode_all(&cells, Precision::MAX, &mut indices);
    for (cell, &index) in cells.iter().zip(&indices) {
        assert_eq!(skilling::encode(*cell, 21), index, "{cell:?}");
        assert_eq!(skilling::decode(index, 21), *cell, "{index}");
        assert_eq!((lindel::hilbert_encode(cell.map(|c| c << 11)) >> 33) as u64, index, "{cell:?}");
    }
    let mut back = Vec::new();
    hilbert::decode_all(&indices, Precision::MAX, &mut back);
    assert_eq!(back, cells);
}

#[test]
fn hilbert_is_skillings_curve_at_every_precision() {
    for n in 1..=21 {
        for cell in random_cells(n.into(), 2000) {
            let cell = cell.map(|c| c & bits(n).max_coordinate());
            let index = hilbert::encode(cell, bits(n));
            assert_eq!(index, skilling::encode(cell, n), "{cell:?} at {n} bits");
            assert_eq!(hilbert::decode(index, bits(n)), cell);
        }
    }
}

/// Values of another program, which follows the paper in Python.
#[test]
fn pinned_values() {
    assert_eq!(hilbert::encode([0, 0, 0], Precision::MAX), 0);
    assert_eq!(hilbert::encode([0x1f_ffff; 3], Precision::MAX), 6588122883467697005);
    assert_eq!(hilbert::encode([1 << 20; 3], Precision::MAX), 5764607523034234880);
    assert_eq!(hilbert::encode([1, 2, 3], Precision::MAX), 48);
    assert_eq!(hilbert::encode([1000000, 2000000, 1234567], Precision::MAX), 2930031436152925549);
    assert_eq!(morton::encode_3d([1, 0, 0]), 4);
}

#[test]
fn a_batch_is_the_same_as_one_by_one() {
    for count in (0..10).chain([255, 256, 257, 1000]) {
        let cells = random_cells(7, count);
        let mut indices = vec![99; 3];
        hilbert::encode_all(&cells, bits(13), &mut indices);
        assert_eq!(indices, cells.iter().map(|c| hilbert::encode(*c, bits(13))).collect::<Vec<_>>());
        let mut back = vec![[9; 3]];
        hilbert::decode_all(&indices, bits(13), &mut back);
        assert_eq!(back, indices.iter().map(|&i| hilbert::decode(i, bits(13))).collect::<Vec<_>>());
    }
}

#[test]
fn morton_is_interleaving() {
    for cell in random_cells(3, 10_000) {
        let index = morton::encode_3d(cell);
        assert_eq!(index, interleave(&cell, 21));
        assert_eq!(morton::decode_3d(index), cell);
    }
}

#[test]
fn an_index_starts_with_that_of_the_enclosing_cell() {
    for curve in BOTH {
        for cell in random_cells(5, 1000) {
            let index = curve.encode(cell, bits(21));
            assert_eq!(curve.encode(cell.map(|c| c >> 4), bits(17)), index >> 12);
        }
    }
}

proptest! {
    #[test]
    fn decoding_undoes_encoding(cell: [u32; 3], index: u64, n in 1u32..=21) {
        for curve in BOTH {
            let precision = bits(n);
            let kept = cell.map(|c| c & precision.max_coordinate());
            prop_assert_eq!(curve.decode(curve.encode(cell, precision), precision), kept);
            let kept = index & precision.max_index();
            prop_assert_eq!(curve.encode(curve.decode(index, precision), precision), kept);
            prop_assert!(i64::try_from(curve.encode(cell, precision)).is_ok());
        }
    }

    #[test]
    fn a_cell_holds_its_centre(index: u64, n in 1u32..=21, low in -1e9..1e9f64, extent in 1e-3..1e9f64) {
        let bounds = Bounds::new([low; 3], [low + extent; 3]).unwrap();
        if let Ok(grid) = Grid::new(bounds, bits(n)) {
            let index = index & bits(n).max_index();
            let point = grid.point(Curve::Hilbert, index).unwrap();
            prop_assert_eq!(grid.index(Curve::Hilbert, point).unwrap(), index);
        }
    }

    #[test]
    fn points_of_a_box_are_in_its_cells(
        a in prop::array::uniform3(-150.0..150.0f64), b in prop::array::uniform3(-150.0..150.0f64),
        t in prop::array::uniform3(0.0..=1.0f64), n in 1u32..=21,
    ) {
        let grid = Grid::new(Bounds::default(), bits(n)).unwrap();
        let low: [f64; 3] = std::array::from_fn(|i| a[i].min(b[i]));
        let high: [f64; 3] = std::array::from_fn(|i| a[i].max(b[i]));
        let point: [f64; 3] = std::array::from_fn(|i| (low[i] + t[i] * (high[i] - low[i])).min(high[i]));
        prop_assert!(grid.cells(low, high).unwrap().contains(grid.cell(point).unwrap()));
    }

    #[test]
    fn a_cover_is_the_best_there_is(
        a in prop::array::uniform3(0u32..16), b in prop::array::uniform3(0u32..16), max_ranges in 1usize..40,
    ) {
        let cells = sorted_box(a, b);
        for curve in BOTH {
            let cover = curve.ranges(&cells, bits(4), max_ranges).unwrap();
            prop_assert_eq!(&cover, &best_cover(curve, &cells, bits(4), max_ranges));
        }
    }

    #[test]
    fn every_cell_of_a_box_is_covered_at_full_precision(
        a in prop::array::uniform3(0u32..1 << 21), b in prop::array::uniform3(0u32..1 << 21),
        inside in prop::collection::vec(prop::array::uniform3(0u32..1 << 21), 50), max_ranges in 1usize..200,
    ) {
        let cells = sorted_box(a, b);
        for curve in BOTH {
            let cover = curve.ranges(&cells, Precision::MAX, max_ranges).unwrap();
            prop_assert!(cover.len() <= max_ranges && cover.iter().all(|(first, last)| first <= last));
            prop_assert!(cover.windows(2).all(|pair| pair[0].1 + 1 < pair[1].0));
            let corners = (0..8).map(|n| [[a, b][n & 1][0], [a, b][n >> 1 & 1][1], [a, b][n >> 2][2]]);
            let within = inside.iter().map(|cell| std::array::from_fn(|i| {
                cells.low[i] + cell[i] % (cells.high[i] - cells.low[i] + 1)
            }));
            for cell in corners.chain(within) {
                let index = curve.encode(cell, Precision::MAX);
                prop_assert!(cover.iter().any(|(first, last)| (first..=last).contains(&&index)));
            }
        }
    }
}

fn sorted_box(a: [u32; 3], b: [u32; 3]) -> CellBox {
    CellBox::new(std::array::from_fn(|i| a[i].min(b[i])), std::array::from_fn(|i| a[i].max(b[i]))).unwrap()
}

/// The runs of a box, cell by cell.
fn runs(curve: Curve, cells: &CellBox, precision: Precision) -> Vec<(u64, u64)> {
    let mut runs: Vec<(u64, u64)> = Vec::new();
    for index in (0..=precision.max_index()).filter(|&index| cells.contains(curve.decode(index, precision))) {
        match runs.last_mut() {
            Some(run) if run.1 + 1 == index => run.1 = index,
            _ => runs.push((index, index)),
        }
    }
    runs
}

/// All runs, with the narrowest gaps closed until there are few enough; of equal ones the earliest.
fn best_cover(curve: Curve, cells: &CellBox, precision: Precision, max_ranges: usize) -> Vec<(u64, u64)> {
    let mut cover = runs(curve, cells, precision);
    while cover.len() > max_ranges {
        let narrowest = (1..cover.len()).min_by_key(|&i| cover[i].0 - cover[i - 1].1).unwrap();
        cover[narrowest - 1].1 = cover[narrowest].1;
        cover.remove(narrowest);
    }
    cover
}

#[test]
fn a_cover_of_many_ranges_is_exact() {
    for (i, pair) in random_cells(11, 60).chunks(2).enumerate() {
        let cells = sorted_box(pair[0].map(|c| c >> 16), pair[1].map(|c| c >> 16));
        for curve in BOTH {
            let cover = curve.ranges(&cells, bits(5), usize::MAX).unwrap();
            assert_eq!(cover, runs(curve, &cells, bits(5)), "box {i}");
            assert_eq!(clusters(curve, &cells, bits(5)).unwrap(), cover.len() as u64);
        }
    }
}

/// All but one layer of the grid: every gap is a few cells, and there are 10^12 of them.
#[test]
fn a_hopeless_box_is_covered_soon_and_nearly() {
    let last = Precision::MAX.max_coordinate();
    for curve in BOTH {
        let cells = CellBox::new([0; 3], [last - 1, last, last]).unwrap();
        let cover = curve.ranges(&cells, Precision::MAX, 100).unwrap();
        let covered: u128 = cover.iter().map(|(first, last)| u128::from(last - first) + 1).sum();
        assert!(cover.len() <= 100 && covered >= cells.cells());
        assert!((covered as f64) < 1.02 * cells.cells() as f64);
    }
}

#[test]
fn covers_of_the_simplest_boxes() {
    let last = Precision::MAX.max_coordinate();
    for curve in BOTH {
        let all = CellBox::new([0; 3], [last; 3]).unwrap();
        assert_eq!(curve.ranges(&all, Precision::MAX, 1).unwrap(), [(0, Precision::MAX.max_index())]);
        let one = CellBox::new([3, 1, 4], [3, 1, 4]).unwrap();
        let index = curve.encode([3, 1, 4], Precision::MAX);
        assert_eq!(curve.ranges(&one, Precision::MAX, 9).unwrap(), [(index, index)]);
        assert_eq!(curve.ranges(&one, Precision::MAX, 0), Err(CurveError::NoRanges));
        assert!(matches!(curve.ranges(&one, bits(2), 9), Err(CurveError::Cell { .. })));
    }
    assert!(matches!(CellBox::new([0, 2, 0], [1, 1, 1]), Err(CurveError::Box { .. })));
}

/// The mean distance along the curve of two cells that share a face, over all such pairs of a grid.
///
/// A long-known surprise: by this measure Morton order is the better one, for the Hilbert curve pays for
/// its few far jumps across the cube's middle. What a range scan feels is [`clusters`].
fn mean_neighbour_distance(curve: Curve, precision: Precision) -> f64 {
    let (mut sum, mut pairs) = (0u64, 0u64);
    for index in 0..=precision.max_index() {
        let cell = curve.decode(index, precision);
        for axis in 0..3 {
            let mut beside = cell;
            beside[axis] += 1;
            if beside[axis] <= precision.max_coordinate() {
                sum += curve.encode(beside, precision).abs_diff(index);
                pairs += 1;
            }
        }
    }
    sum as f64 / pairs as f64
}

#[test]
fn measures_of_locality() {
    // On a grid of two cells a side, by hand: Morton neighbours are 4, 2 and 1 apart.
    assert_eq!(mean_neighbour_distance(Curve::Morton, bits(1)), 7.0 / 3.0);
    let pairs = 3.0 * 31.0 * 32.0 * 32.0;
    assert_eq!(mean_neighbour_distance(Curve::Hilbert, bits(5)), 36_234_688.0 / pairs);
    assert_eq!(mean_neighbour_distance(Curve::Morton, bits(5)), 33_553_408.0 / pairs);
    let mut sums = [0, 0];
    for corner in random_cells(2, 200) {
        let low = corner.map(|c| c >> 1);
        let cells = CellBox::new(low, low.map(|c| c + 30)).unwrap();
        for (sum, curve) in sums.iter_mut().zip(BOTH) {
            *sum += clusters(curve, &cells, Precision::MAX).unwrap();
        }
    }
    // A cube's surface of 6·31² faces, each crossed by a sixth of the runs' ends (Moon, Jagadish,
    // Faloutsos & Saltz 2001: surface / 6 in 3D for the Hilbert curve).
    assert!((sums[0] as f64 / 200.0 - 31.0 * 31.0).abs() < 20.0, "{sums:?}");
    assert!(sums[1] > sums[0] * 3 / 2, "{sums:?}");
    let all = CellBox::new([0; 3], [Precision::MAX.max_coordinate(); 3]).unwrap();
    assert!(matches!(clusters(Curve::Hilbert, &all, Precision::MAX), Err(CurveError::TooLarge { .. })));
}

#[test]
fn points_and_cells() {
    let grid = Grid::new(Bounds::default(), Precision::MAX).unwrap();
    let last = Precision::MAX.max_coordinate();
    assert_eq!(grid.cell([-100.0, 0.0, 100.0]), Ok([0, 1 << 20, last]));
    assert_eq!(grid.cell([-1e300, f64::NEG_INFINITY, f64::INFINITY]), Ok([0, 0, last]));
    assert_eq!(grid.cell([0.0, f64::NAN, 0.0]), Err(CurveError::NotANumber(1)));
    assert_eq!(CurveError::NotANumber(1).to_string(), "coordinate y of the point is NaN");
    let cell = 200.0 / f64::from(1 << 21);
    assert_eq!(
        grid.centre([0, 1 << 20, last]).unwrap(),
        [-100.0 + cell / 2.0, cell / 2.0, 100.0 - cell / 2.0]
    );
    assert!(matches!(grid.centre([0, last + 1, 0]), Err(CurveError::Cell { .. })));
    assert!(matches!(grid.point(Curve::Hilbert, 1 << 63), Err(CurveError::Index { .. })));
    let points = [[1.0, 2.0, 3.0], [-7.5, 99.0, 1e9]];
    let mut out = Vec::new();
    grid.hilbert_all(&points, &mut Vec::new(), &mut out).unwrap();
    assert_eq!(out, points.map(|point| grid.index(Curve::Hilbert, point).unwrap()));
    let points = [[0.0; 3], [0.0, 0.0, f64::NAN]];
    assert_eq!(grid.hilbert_all(&points, &mut Vec::new(), &mut out), Err(CurveError::NotANumber(2)));
}

#[test]
fn bounds_and_precisions_that_make_no_sense() {
    for (low, high) in [(0.0, 0.0), (1.0, 0.0), (f64::NAN, 1.0), (0.0, f64::INFINITY), (-1.5e308, 1.5e308)] {
        assert!(matches!(
            Bounds::new([0.0, low, 0.0], [1.0, high, 1.0]),
            Err(CurveError::Bounds { axis: 1, .. })
        ));
    }
    let narrow = Bounds::new([1e9; 3], [1e9 + 1e-3; 3]).unwrap();
    assert!(matches!(Grid::new(narrow, Precision::MAX), Err(CurveError::Narrow { .. })));
    assert!(Grid::new(narrow, bits(4)).is_ok());
    for wrong in [0, -1, 22, i64::MAX] {
        assert_eq!(Precision::new(wrong), Err(CurveError::Precision(wrong)));
    }
    assert_eq!(CurveError::Precision(22).to_string(), "precision 22 is not between 1 and 21");
}
