use super::*;
use proptest::prelude::*;

/// All bytes of a recipe, read from front to back in steps of `step`.
fn read(recipe: &dyn LazyTensor, file: &[u8], step: usize) -> Vec<u8> {
    let source = recipe.open(&file).unwrap();
    let mut bytes = vec![0; source.len() as usize];
    for (step_no, piece) in bytes.chunks_mut(step).enumerate() {
        source.read_at((step_no * step) as u64, piece).unwrap();
    }
    bytes
}

fn whole(file: &[u8]) -> Arc<dyn LazyTensor> {
    Arc::new(ByteRange::new(0, file.len() as u64))
}

/// A view, element by element and without any of the arithmetic under test.
fn naive(file: &[u8], width: usize, first: u64, shape: &[u64], strides: &[u64]) -> Vec<u8> {
    let mut places = vec![first];
    for (extent, stride) in shape.iter().zip(strides) {
        places = places.iter().flat_map(|place| (0..*extent).map(move |i| place + i * stride)).collect();
    }
    places.iter().flat_map(|place| &file[*place as usize * width..][..width]).copied().collect()
}

#[test]
fn parts_and_inline_bytes() {
    let file: Vec<u8> = (0..100).collect();
    let range: Arc<dyn LazyTensor> = Arc::new(ByteRange::new(10, 50));
    assert_eq!(read(&*range, &file, 7), file[10..60]);
    let part = SubRange { of: range.clone(), range: ByteRange::new(5, 20) };
    assert_eq!(read(&part, &file, 3), file[15..35]);
    assert!(part.open(&&file[..]).unwrap().read_at(19, &mut [0; 2]).is_err());
    assert_eq!(read(&Buffered { of: range }, &file, 50), file[10..60]);
    assert_eq!(read(&Inline(file[..9].into()), &[], 2), file[..9]);
}

#[test]
fn bytes_are_swapped_at_any_offset() {
    let file: Vec<u8> = (0..48).collect();
    for width in [1, 2, 4, 8, 16] {
        let swapped = ByteSwapped { of: whole(&file), element_bytes: width };
        let expected: Vec<u8> = file.chunks(width).flat_map(|e| e.iter().rev()).copied().collect();
        let source = swapped.open(&&file[..]).map(|source| source.len());
        assert_eq!(source.unwrap(), 48);
        for step in 1..20 {
            assert_eq!(read(&swapped, &file, step), expected, "{width} {step}");
        }
    }
}

#[test]
fn a_view_may_not_reach_outside() {
    let file = [0; 24];
    let view = |first, shape: &[u64], strides: &[u64]| {
        Strided::new(whole(&file), 24, 4, first, shape, strides).is_some()
    };
    assert!(view(0, &[2, 3], &[3, 1]) && view(5, &[], &[]) && view(0, &[3, 2], &[1, 3]));
    assert!(view(0, &[9, 9], &[0, 0]) && view(100, &[0], &[1]) && view(5, &[1], &[u64::MAX]));
    for (first, shape, strides) in [
        (1, &[2, 3][..], &[3, 1][..]),
        (6, &[], &[]),
        (u64::MAX, &[2], &[1]),
        (0, &[2], &[u64::MAX]),
        (0, &[u64::MAX], &[0]),
        (0, &[1 << 32, 1 << 32], &[0, 0]),
        (0, &[2], &[1, 1]),
    ] {
        assert!(!view(first, shape, strides), "{first} {shape:?} {strides:?}");
    }
    assert!(Strided::new(whole(&file), 24, 0, 0, &[1], &[1]).is_none());
    assert!(Strided::new(whole(&file), 24, 3, 0, &[1], &[1]).is_none());
    assert!(Strided::new(whole(&file), 24, 32, 0, &[1], &[1]).is_none());
}

/// More than is gathered at once or read in one piece, with near and far neighbours, and with axes that
/// are split and have a remainder.
#[test]
fn large_views_of_every_kind() {
    let (rows, columns) = (1500u64, 1901u64);
    let file: Vec<u8> =
        (0..rows * columns).flat_map(|i| (i as u16 ^ (i >> 16) as u16).to_le_bytes()).collect();
    let length = file.len() as u64;
    for (first, shape, strides) in [
        (0, &[columns, rows][..], &[1, columns][..]),
        (3, &[rows, 1000], &[columns, 1]),
        (3, &[rows, 900], &[columns, 2]),
        (0, &[1900, 300], &[1, 5 * columns]),
        (7, &[19, 1500, 10], &[100, columns, 7]),
        (0, &[2000, 1500], &[0, columns]),
        (0, &[3, 700_000], &[700_000, 2]),
        (0, &[700_000, 3], &[1, 700_000]),
        (0, &[2, 2, 2, 2, 400, 300], &[1_000_000, 500_000, 3, 1, 1000, 4]),
    ] {
        let view = Strided::new(whole(&file), length, 2, first, shape, strides).unwrap();
        assert!(
            read(&view, &file, 262_144) == naive(&file, 2, first, shape, strides),
            "{shape:?} {strides:?}"
        );
        // From the end to the front, in steps that fit nothing.
        let expected = naive(&file, 2, first, shape, strides);
        let source = &file[..];
        let opened = view.open(&source).unwrap();
        let mut piece = [0; 1001];
        for position in (0..expected.len() - 1001).rev().step_by(199_999) {
            opened.read_at(position as u64, &mut piece).unwrap();
            assert!(piece == expected[position..position + 1001], "{shape:?} {strides:?} {position}");
        }
    }
}

proptest! {
    #[test]
    fn views_are_as_the_naive_ones(
        width in 0u32..5,
        first in 0u64..9,
        axes in proptest::collection::vec((0u64..6, 0u64..9), 0..5),
        step in 1usize..50,
        offset in 0u64..2000,
    ) {
        let width = 1usize << width;
        let (shape, strides): (Vec<u64>, Vec<u64>) = axes.into_iter().unzip();
        let file: Vec<u8> = (0..4000u32).map(|i| (i * 7 + i / 256) as u8).collect();
        let view = Strided::new(whole(&file), file.len() as u64, width, first, &shape, &strides).unwrap();
        let expected = naive(&file, width, first, &shape, &strides);
        prop_assert_eq!(read(&view, &file, step), &expected[..]);
        // Reading backwards is allowed too.
        let source = &file[..];
        let opened = view.open(&source).unwrap();
        let mut one = [0];
        for position in [offset, offset / 2, offset / 7] {
            if position < opened.len() {
                opened.read_at(position, &mut one).unwrap();
                prop_assert_eq!(one[0], expected[position as usize]);
            }
        }
    }
}

#[test]
fn signs_change_at_any_offset() {
    let file: Vec<u8> = (1..=48).collect();
    let flipped = |places: &dyn Fn(usize) -> bool| -> Vec<u8> {
        file.iter().enumerate().map(|(at, byte)| byte ^ (0x80 * u8::from(places(at)))).collect()
    };
    for (width, sign, expected) in [
        (4, Sign::Float, flipped(&|at| at % 4 == 3)),
        (2, Sign::Float, flipped(&|at| at % 2 == 1)),
        (8, Sign::Imaginary, flipped(&|at| at % 8 == 7)),
        (8, Sign::Real, flipped(&|at| at % 8 == 3)),
        (16, Sign::Complex, flipped(&|at| at % 8 == 7)),
        (
            4,
            Sign::Integer,
            file.chunks(4).flat_map(|e| (-i32::from_le_bytes(e.try_into().unwrap())).to_le_bytes()).collect(),
        ),
        (1, Sign::Integer, file.iter().map(|byte| byte.wrapping_neg()).collect()),
    ] {
        let negated = Negated { of: whole(&file), element_bytes: width, sign };
        for step in 1..20 {
            assert_eq!(read(&negated, &file, step), expected, "{width} {sign:?} {step}");
        }
    }
    // Zero stays, and the smallest number is its own negative, as in torch.
    let edge: Vec<u8> = [0i16, -1, i16::MIN, 255, 256].iter().flat_map(|n| n.to_le_bytes()).collect();
    let negated = Negated { of: whole(&edge), element_bytes: 2, sign: Sign::Integer };
    let expected: Vec<u8> = [0i16, 1, i16::MIN, -255, -256].iter().flat_map(|n| n.to_le_bytes()).collect();
    assert_eq!(read(&negated, &edge, 3), expected);
}
