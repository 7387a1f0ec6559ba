//! Numbers of one type as another one, as `torch.Tensor.to` converts them on a processor: to the nearest number
//! that the other type has; towards zero and then modulo 2ⁿ where that is an integer; a number is true when it
//! is not zero; the real part where only the other type is real. Two steps where torch takes two: to half
//! precision over single precision.
//! Source: `c10/util/TypeCast.h`, `c10/util/Half.h` and `c10/util/BFloat16.h` of PyTorch.

use crate::dtype::Dtype;
use crate::lazy_tensor::LazyTensor;
use crate::quant::half_float::{bf16, bf16_to_f32, f16, f16_to_f32, f32_to_f16};
use crate::source::{Source, SourceError, check_range};
use std::sync::Arc;

/// Elements that are converted at a time.
const STEP: u64 = 16 << 10;

/// Numbers as another type.
#[derive(Debug, Clone)]
pub struct Cast {
    of: Arc<dyn LazyTensor>,
    from: Dtype,
    to: Dtype,
}

impl Cast {
    /// `of` as `to`; none where that is not known here.
    pub fn new(of: Arc<dyn LazyTensor>, from: Dtype, to: Dtype) -> Option<Self> {
        Self::is_known(from, to).then_some(Self { of, from, to })
    }

    /// True for types that are converted.
    pub fn is_known(from: Dtype, to: Dtype) -> bool {
        let known = |dtype| {
            use Dtype::*;
            matches!(
                dtype,
                F64 | F32 | F16 | BF16 | C64 | C128 | I64 | I32 | I16 | I8 | U64 | U32 | U16 | U8 | BOOL
            )
        };
        known(from) && known(to)
    }
}

impl LazyTensor for Cast {
    fn open<'a>(&self, file: &'a dyn Source) -> Result<Box<dyn Source + 'a>, SourceError> {
        let of = self.of.open(file)?;
        Ok(Box::new(CastSource { of, from: self.from, to: self.to }))
    }
}

struct CastSource<'a> {
    of: Box<dyn Source + 'a>,
    from: Dtype,
    to: Dtype,
}

fn width(dtype: Dtype) -> u64 {
    dtype.info().block_bytes.into()
}

impl Source for CastSource<'_> {
    fn len(&self) -> u64 {
        self.of.len() / width(self.from) * width(self.to)
    }

    fn read_at(&self, mut offset: u64, mut buf: &mut [u8]) -> Result<(), SourceError> {
        check_range(offset, buf.len(), self.len())?;
        let (from, to) = (width(self.from), width(self.to));
        let (mut stored, mut made) = (Vec::new(), Vec::new());
        while !buf.is_empty() {
            let (first, skip) = (offset / to, (offset % to) as usize);
            let count = ((skip + buf.len()) as u64).div_ceil(to).min(STEP);
            stored.resize((count * from) as usize, 0);
            self.of.read_at(first * from, &mut stored)?;
            made.clear();
            for element in stored.chunks_exact(from as usize) {
                write(self.to, read(self.from, element), &mut made);
            }
            let n = buf.len().min(made.len() - skip);
            buf[..n].copy_from_slice(&made[skip..skip + n]);
            buf = &mut buf[n..];
            offset += n as u64;
        }
        Ok(())
    }
}

/// A number of any type, without loss.
#[derive(Clone, Copy)]
enum Number {
    Integer(i128),
    Real(f64),
    Complex(f64, f64),
}

macro_rules! number {
    ($type:ty, $bytes:expr) => {
        <$type>::from_le_bytes($bytes.try_into().expect("the element's width"))
    };
}

fn read(dtype: Dtype, element: &[u8]) -> Number {
    use Number::*;
    match dtype {
        Dtype::F64 => Real(number!(f64, element)),
        Dtype::F32 => Real(number!(f32, element).into()),
        Dtype::F16 => Real(f16_to_f32(f16::from_bits(number!(u16, element))).into()),
        Dtype::BF16 => Real(bf16_to_f32(bf16::from_bits(number!(u16, element))).into()),
        Dtype::C64 => Complex(number!(f32, element[..4]).into(), number!(f32, element[4..]).into()),
        Dtype::C128 => Complex(number!(f64, element[..8]), number!(f64, element[8..])),
        Dtype::I64 => Integer(number!(i64, element).into()),
        Dtype::I32 => Integer(number!(i32, element).into()),
        Dtype::I16 => Integer(number!(i16, element).into()),
        Dtype::I8 => Integer(number!(i8, element).into()),
        Dtype::U64 => Integer(number!(u64, element).into()),
        Dtype::U32 => Integer(number!(u32, element).into()),
        Dtype::U16 => Integer(number!(u16, element).into()),
        Dtype::BOOL => Integer((element[0] != 0).into()),
        _ => Integer(element[0].into()),
    }
}

impl Number {
    fn single(self) -> f32 {
        match self {
            Self::Integer(number) => number as f32,
            Self::Real(number) | Self::Complex(number, _) => number as f32,
        }
    }

    fn double(self) -> f64 {
        match self {
            Self::Integer(number) => number as f64,
            Self::Real(number) | Self::Complex(number, _) => number,
        }
    }

    /// Towards zero; what no 64 bits hold is the least number, as on x86.
    fn integer(self) -> i128 {
        match self {
            Self::Integer(number) => number,
            Self::Real(number) | Self::Complex(number, _) => {
                let fits = (-9_223_372_036_854_775_808.0..18_446_744_073_709_551_616.0).contains(&number);
                if fits { number as i128 } else { i64::MIN.into() }
            }
        }
    }

    fn imaginary(self) -> f64 {
        match self {
            Self::Complex(_, imaginary) => imaginary,
            _ => 0.0,
        }
    }

    fn is_zero(self) -> bool {
        match self {
            Self::Integer(number) => number == 0,
            Self::Real(number) => number == 0.0,
            Self::Complex(real, imaginary) => real == 0.0 && imaginary == 0.0,
        }
    }
}

fn write(dtype: Dtype, number: Number, out: &mut Vec<u8>) {
    match dtype {
        Dtype::F64 => out.extend(number.double().to_le_bytes()),
        Dtype::F32 => out.extend(number.single().to_le_bytes()),
        Dtype::F16 => out.extend(f32_to_f16(number.single()).to_bits().to_le_bytes()),
        Dtype::BF16 => out.extend(bf16::from_f32(number.single()).to_bits().to_le_bytes()),
        Dtype::C64 => {
            out.extend(number.single().to_le_bytes());
            out.extend((number.imaginary() as f32).to_le_bytes());
        }
        Dtype::C128 => {
            out.extend(number.double().to_le_bytes());
            out.extend(number.imaginary().to_le_bytes());
        }
        Dtype::BOOL => out.push((!number.is_zero()).into()),
        integer => out.extend(&number.integer().to_le_bytes()[..width(integer) as usize]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::byte_range::ByteRange;

    fn cast(bytes: &[u8], from: Dtype, to: Dtype) -> Vec<u8> {
        let of = Arc::new(ByteRange::new(0, bytes.len() as u64));
        let cast = Cast::new(of, from, to).unwrap();
        let source = cast.open(&bytes).unwrap();
        let mut made = vec![0; source.len() as usize];
        source.read_at(0, &mut made).unwrap();
        // In pieces that end within elements.
        let mut pieces = vec![0; made.len()];
        for (number, piece) in pieces.chunks_mut(3).enumerate() {
            source.read_at(3 * number as u64, piece).unwrap();
        }
        assert_eq!(made, pieces);
        made
    }

    fn floats(numbers: &[f32]) -> Vec<u8> {
        numbers.iter().flat_map(|number| number.to_le_bytes()).collect()
    }

    #[test]
    fn numbers_are_rounded_to_the_nearest_even() {
        let halves =
            cast(&floats(&[1.0, -2.5, 1.0 + 1.0 / 256.0, 1.0 + 3.0 / 256.0, 3e38]), Dtype::F32, Dtype::BF16);
        let halves: Vec<u16> = halves.chunks(2).map(|pair| u16::from_le_bytes([pair[0], pair[1]])).collect();
        assert_eq!(halves, [0x3f80, 0xc020, 0x3f80, 0x3f82, 0x7f62]);
        let halves = cast(&floats(&[1.0, 65520.0, -1e-8]), Dtype::F32, Dtype::F16);
        assert_eq!(halves, [0x00, 0x3c, 0x00, 0x7c, 0x00, 0x80]);
        let wide = (i64::MAX - 1).to_le_bytes();
        assert_eq!(cast(&wide, Dtype::I64, Dtype::F32), floats(&[9_223_372_036_854_775_808.0]));
    }

    #[test]
    fn integers_are_cut_off() {
        assert_eq!(cast(&floats(&[-1.9, 2.9, 300.5]), Dtype::F32, Dtype::I8), [0xff, 2, 44]);
        assert_eq!(cast(&[0xff, 0x01], Dtype::I16, Dtype::U8), [0xff]);
        assert_eq!(cast(&[0xff], Dtype::I8, Dtype::I32), [0xff; 4]);
        assert_eq!(cast(&floats(&[0.0, -0.0, 0.5, f32::NAN]), Dtype::F32, Dtype::BOOL), [0, 0, 1, 1]);
        assert_eq!(cast(&floats(&[f32::INFINITY]), Dtype::F32, Dtype::I64), i64::MIN.to_le_bytes());
    }

    #[test]
    fn a_complex_number_becomes_its_real_part() {
        assert_eq!(cast(&floats(&[1.5, 2.5]), Dtype::C64, Dtype::F32), floats(&[1.5]));
        assert_eq!(cast(&floats(&[1.5]), Dtype::F32, Dtype::C64), floats(&[1.5, 0.0]));
        assert_eq!(cast(&floats(&[0.0, 1.0]), Dtype::C64, Dtype::BOOL), [1]);
    }

    #[test]
    fn other_types_are_not_converted() {
        let of: Arc<dyn LazyTensor> = Arc::new(ByteRange::new(0, 0));
        for (from, to) in [(Dtype::F32, Dtype::F8_E4M3), (Dtype::Q4_0, Dtype::F32)] {
            assert!(Cast::new(of.clone(), from, to).is_none());
        }
    }
}
