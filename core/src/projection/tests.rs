use super::*;
use proptest::prelude::*;

fn noise(seed: u64, count: usize) -> Vec<f32> {
    (0..count as u64).map(|i| (mix(mix(seed) ^ i) >> 40) as f32 / (1 << 23) as f32 - 1.0).collect()
}

fn landmarks(projection: &Projection) -> [Vec<f64>; 3] {
    std::array::from_fn(|n| projection.landmark(n).collect())
}

#[test]
fn landmarks_are_orthonormal_in_every_dimension() {
    let check = |seed, dimension| {
        let marks = landmarks(&Projection::new(seed, dimension).unwrap());
        for (n, one) in marks.iter().enumerate() {
            assert_eq!(one.len(), dimension);
            for (m, other) in marks.iter().enumerate() {
                let product: f64 = one.iter().zip(other).map(|(a, b)| a * b).sum();
                let expected = f64::from(u8::from(n == m));
                assert!((product - expected).abs() < 1e-12, "{seed} {dimension}: {n} · {m} = {product}");
            }
        }
    };
    (3..700).chain([1536, 1998, 4096, 65537, MAX_DIMENSION]).for_each(|dimension| check(42, dimension));
    // In three dimensions landmarks are near to one plane most often.
    (0..20_000).for_each(|seed| check(seed, 3));
}

/// Pinned: stored points must stay comparable. The values are those of a program in Python.
#[test]
fn points_never_change() {
    let vector = |dimension: usize| -> Vec<f32> { (0..dimension).map(|i| (i % 7) as f32 - 2.5).collect() };
    for (dimension, dots, place) in [
        (
            3,
            [-2.6137931069263978, -1.2755102746808835, 0.5395916357464632],
            [-60.48181410398442, -42.75450469565302, 24.009415811627537],
        ),
        (
            1536,
            [0.2863715966683122, -2.7590146668640845, -3.8505764483468017],
            [12.200080352517341, -57.24173086463281, -65.13707243374611],
        ),
        (
            1998,
            [-0.8374748247582375, -0.35075486608092366, -2.602988597461226],
            [-28.892968187093732, -14.543148567522035, -55.80955098230023],
        ),
    ] {
        let projection = Projection::new(DEFAULT_SEED, dimension).unwrap();
        assert_eq!(projection.project(&vector(dimension)), Ok(dots), "dimension {dimension}");
        assert_eq!(projection.place(&vector(dimension)), Ok(place), "dimension {dimension}");
    }
}

#[test]
fn a_batch_is_the_same_as_one_by_one() {
    for (dimension, count) in [(3, 7), (5, 4), (576, 3), (1536, 2), (1537, 1), (8, 0)] {
        let projection = Projection::new(7, dimension).unwrap();
        let vectors = noise(1, dimension * count);
        let single = |point: fn(&Projection, &[f32]) -> Result<[f64; 3], ProjectionError>| -> Vec<[f64; 3]> {
            vectors.chunks(dimension).map(|vector| point(&projection, vector).unwrap()).collect()
        };
        let mut out = vec![[9.0; 3]];
        projection.project_all(&vectors, &mut out).unwrap();
        assert_eq!(out, single(Projection::project));
        projection.place_all(&vectors, &mut out).unwrap();
        assert_eq!(out, single(Projection::place));
    }
}

#[test]
fn wide_vectors_make_no_difference() {
    for dimension in [3, 576, 1535, 1536] {
        let projection = Projection::new(7, dimension).unwrap();
        let (one, two) = (noise(1, dimension), noise(2, dimension));
        let pass = || Pass { projection: &projection, vectors: [&one[..], &two[..]] };
        let bits = |sums: [Sums; 2]| {
            sums.map(|s| (s.dots.map(|d| d.map(f64::to_bits)), s.squares.map(f64::to_bits)))
        };
        assert_eq!(bits(pass().run()), bits(wide::run(pass())));
    }
}

proptest! {
    #[test]
    fn points_are_plain_dot_products(seed: u64, dimension in 3usize..200) {
        let projection = Projection::new(seed, dimension).unwrap();
        let vector = noise(seed, dimension);
        let marks = landmarks(&projection);
        let point = projection.project(&vector).unwrap();
        let distances = projection.distances(&vector).unwrap();
        let placed = projection.place(&vector).unwrap();
        let length = vector.iter().map(|v| f64::from(*v).powi(2)).sum::<f64>().sqrt();
        for n in 0..3 {
            let dot: f64 = marks[n].iter().zip(&vector).map(|(m, v)| m * f64::from(*v)).sum();
            prop_assert!((point[n] - dot).abs() < 1e-12);
            let apart: f64 = marks[n].iter().zip(&vector).map(|(m, v)| (m - f64::from(*v)).powi(2)).sum();
            prop_assert!((distances[n] - apart.sqrt()).abs() < 1e-12);
            let z = placed[n] / (100.0 - placed[n].abs());
            prop_assert!((z / (dimension as f64).sqrt() - dot / length).abs() < 1e-9);
        }
    }

    #[test]
    fn points_are_no_farther_apart_than_vectors(seed: u64, dimension in 3usize..200) {
        let projection = Projection::new(seed, dimension).unwrap();
        let (a, b) = (noise(seed, dimension), noise(!seed, dimension));
        let (p, q) = (projection.project(&a).unwrap(), projection.project(&b).unwrap());
        let apart = |a: f64, b: f64| (a - b) * (a - b);
        let near: f64 = p.iter().zip(q).map(|(p, q)| apart(*p, q)).sum();
        let far: f64 = a.iter().zip(b).map(|(a, b)| apart((*a).into(), b.into())).sum();
        prop_assert!(near <= far * (1.0 + 1e-12));
    }

    #[test]
    fn trilateration_keeps_the_distances(seed: u64, dimension in 3usize..200) {
        let projection = Projection::new(seed, dimension).unwrap();
        let distances = projection.distances(&noise(seed, dimension)).unwrap();
        let point = trilaterate(distances).unwrap();
        for (n, distance) in distances.iter().enumerate() {
            let apart: f64 = (0..3).map(|m| (point[m] - f64::from(u8::from(n == m))).powi(2)).sum();
            prop_assert!((apart.sqrt() - distance).abs() < 1e-9);
        }
        prop_assert!(point.iter().sum::<f64>() <= 1.0);
    }
}

#[test]
fn trilateration_of_what_is_known() {
    // The origin is 1 away from every landmark; the landmarks' own centre lies on their plane.
    assert!(trilaterate([1.0; 3]).unwrap().iter().all(|c| c.abs() < 1e-15));
    let centre = trilaterate([(2f64 / 3.0).sqrt(); 3]).unwrap();
    assert!(centre.iter().all(|c| (c - 1.0 / 3.0).abs() < 1e-7), "{centre:?}");
    for wrong in [[0.0; 3], [1.0, 1.0, 9.0], [f64::NAN, 1.0, 1.0], [f64::INFINITY; 3], [1.0, 1.0, -1.0]] {
        assert!(matches!(trilaterate(wrong), Err(ProjectionError::Distances(_))), "{wrong:?}");
    }
}

#[test]
fn placed_points_fill_their_box() {
    for dimension in [16, 576, 1536] {
        let projection = Projection::new(42, dimension).unwrap();
        let mut out = Vec::new();
        for scale in [1e-30, 1.0, 1e30] {
            let vectors: Vec<f32> = noise(3, 4000 * dimension).iter().map(|v| v * scale).collect();
            projection.place_all(&vectors, &mut out).unwrap();
            for axis in 0..3 {
                let inner = out.iter().filter(|point| point[axis].abs() < 50.0).count();
                // |z| < 1 holds 68 % of a normal distribution.
                assert!((2600..2900).contains(&inner), "dimension {dimension}: {inner}");
                assert!(out.iter().all(|point| point[axis].abs() < 100.0));
            }
        }
    }
    let projection = Projection::new(42, 5).unwrap();
    assert_eq!(projection.place(&[0.0, -0.0, 0.0, 0.0, 0.0]), Ok([0.0; 3]));
    // The smallest numbers there are have a direction too.
    let tiny = [f32::from_bits(1), 0.0, 0.0, f32::from_bits(1), 0.0];
    assert_eq!(projection.place(&tiny), projection.place(&[1.0, 0.0, 0.0, 1.0, 0.0]));
}

#[test]
fn what_can_not_be_projected() {
    for dimension in [0, 2, MAX_DIMENSION + 1] {
        assert_eq!(Projection::new(42, dimension).unwrap_err(), ProjectionError::Dimension(dimension));
        assert!(Projection::cached(42, dimension).is_err());
    }
    let projection = Projection::new(42, 5).unwrap();
    assert_eq!(projection.project(&[1.0; 4]), Err(ProjectionError::Mismatch { found: 4, expected: 5 }));
    let mut out = Vec::new();
    let error = projection.project_all(&[1.0; 9], &mut out).unwrap_err();
    assert_eq!(error, ProjectionError::PartialVector { length: 9, dimension: 5 });
    for special in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        for index in 0..15 {
            let mut vectors = [f32::MAX; 15];
            vectors[index] = special;
            let vector = &vectors[index / 5 * 5..][..5];
            for result in [projection.project(vector), projection.place(vector), projection.distances(vector)]
            {
                assert!(matches!(result, Err(ProjectionError::NotFinite { index: i, .. }) if i == index % 5));
            }
            let result = projection.place_all(&vectors, &mut out);
            assert!(matches!(result, Err(ProjectionError::NotFinite { index: i, .. }) if i == index));
        }
    }
    assert!(projection.project(&[f32::MAX; 5]).unwrap().iter().all(|c| c.is_finite()));
}

#[test]
fn the_cache_gives_the_same_landmarks_and_stays_small() {
    let fresh = landmarks(&Projection::new(1, 10).unwrap());
    for dimension in [10, MAX_DIMENSION, MAX_DIMENSION - 1, MAX_DIMENSION - 2, 10] {
        let projection = Projection::cached(1, dimension).unwrap();
        assert_eq!(projection.dimension(), dimension);
        assert!(dimension != 10 || landmarks(&projection) == fresh);
    }
    assert!(Arc::ptr_eq(&Projection::cached(1, 10).unwrap(), &Projection::cached(1, 10).unwrap()));
}
