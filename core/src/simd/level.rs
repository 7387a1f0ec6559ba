//! Where the processor matters: loops over blocks, and the few steps of decoding that the compiler
//! does not vectorize by itself. [`Portable`] is plain Rust for any processor; [`Avx2`] gives the
//! same bits on x86-64 processors that have AVX2, which is asked for at run time. FMA stays off: it
//! would round a product and a sum once. On AArch64 every processor has NEON, and the compiler uses
//! it for the plain code.
//!
//! The `unsafe` is that a function compiled for AVX2 must not be called where there is none, and that its
//! loads and stores take pointers.

/// Maps bytes. Unlike the arrays' own `map` it is always inlined, and so compiled for the processor
/// that the decoder is compiled for.
#[inline(always)]
pub(crate) fn map<const N: usize>(bytes: &[u8; N], f: impl Fn(u8) -> u8) -> [u8; N] {
    let mut mapped = [0; N];
    for (mapped, &byte) in mapped.iter_mut().zip(bytes) {
        *mapped = f(byte);
    }
    mapped
}

/// What decoders ask of the processor.
pub trait Level: Copy {
    /// Decodes each block of `bytes` to its weights in `out`. The shorter of the two ends it.
    fn each_block<const BYTES: usize, const WEIGHTS: usize>(
        self,
        bytes: &[u8],
        out: &mut [f32],
        decode: impl Fn(Self, &[u8; BYTES], &mut [f32; WEIGHTS]),
    );

    /// As [`Level::each_block`], for types that are decoded faster than memory takes their weights: where
    /// there are many, they may be written past the cache. A decoder that takes longer loses by it.
    fn each_block_streamed<const BYTES: usize, const WEIGHTS: usize>(
        self,
        bytes: &[u8],
        out: &mut [f32],
        decode: impl Fn(Self, &[u8; BYTES], &mut [f32; WEIGHTS]),
    ) {
        self.each_block(bytes, out, decode);
    }

    /// `code · d` for each code, a signed byte; `N` is a multiple of eight.
    fn scale<const N: usize>(self, codes: &[u8; N], d: f32, out: &mut [f32; N]);

    /// `code · d + m` for each code, a signed byte, rounded twice; `N` is a multiple of eight.
    fn scale_add<const N: usize>(self, codes: &[u8; N], d: f32, m: f32, out: &mut [f32; N]);

    /// The values of codes from 0 to 15, as signed bytes.
    fn look_up(self, values: &[i8; 16], codes: &[u8; 16]) -> [u8; 16];
}

/// As every processor of the architecture can.
#[derive(Debug, Clone, Copy)]
pub struct Portable;

impl Level for Portable {
    #[inline]
    fn each_block<const BYTES: usize, const WEIGHTS: usize>(
        self,
        bytes: &[u8],
        out: &mut [f32],
        decode: impl Fn(Self, &[u8; BYTES], &mut [f32; WEIGHTS]),
    ) {
        for (block, out) in bytes.as_chunks().0.iter().zip(out.as_chunks_mut().0) {
            decode(self, block, out);
        }
    }

    #[inline(always)]
    fn scale<const N: usize>(self, codes: &[u8; N], d: f32, out: &mut [f32; N]) {
        for (out, &code) in out.iter_mut().zip(codes) {
            *out = d * f32::from(code as i8);
        }
    }

    #[inline(always)]
    fn scale_add<const N: usize>(self, codes: &[u8; N], d: f32, m: f32, out: &mut [f32; N]) {
        for (out, &code) in out.iter_mut().zip(codes) {
            *out = d * f32::from(code as i8) + m;
        }
    }

    #[inline(always)]
    fn look_up(self, values: &[i8; 16], codes: &[u8; 16]) -> [u8; 16] {
        map(codes, |code| values[usize::from(code & 15)] as u8)
    }
}

#[cfg(target_arch = "x86_64")]
pub use avx2::Avx2;

#[cfg(target_arch = "x86_64")]
mod avx2 {
    use super::Level;
    use std::arch::x86_64::*;

    /// The proof that this processor has AVX2 and BMI2.
    #[derive(Debug, Clone, Copy)]
    pub struct Avx2(());

    impl Avx2 {
        /// Asks the processor.
        #[inline]
        pub fn detect() -> Option<Self> {
            (is_x86_feature_detected!("avx2") && is_x86_feature_detected!("bmi2")).then_some(Self(()))
        }
    }

    // Each of these calls a function of the same name, compiled for AVX2.
    impl Level for Avx2 {
        #[inline]
        fn each_block<const BYTES: usize, const WEIGHTS: usize>(
            self,
            bytes: &[u8],
            out: &mut [f32],
            decode: impl Fn(Self, &[u8; BYTES], &mut [f32; WEIGHTS]),
        ) {
            // SAFETY: `self` proves that the processor has the features.
            unsafe { each_block(self, bytes, out, decode) }
        }

        #[inline]
        fn each_block_streamed<const BYTES: usize, const WEIGHTS: usize>(
            self,
            bytes: &[u8],
            out: &mut [f32],
            decode: impl Fn(Self, &[u8; BYTES], &mut [f32; WEIGHTS]),
        ) {
            // SAFETY: `self` proves that the processor has the features.
            unsafe { each_block_streamed(self, bytes, out, decode) }
        }

        #[inline(always)]
        fn scale<const N: usize>(self, codes: &[u8; N], d: f32, out: &mut [f32; N]) {
            // SAFETY: `self` proves that the processor has the features.
            unsafe { scale(codes, d, out) }
        }

        #[inline(always)]
        fn scale_add<const N: usize>(self, codes: &[u8; N], d: f32, m: f32, out: &mut [f32; N]) {
            // SAFETY: `self` proves that the processor has the features.
            unsafe { scale_add(codes, d, m, out) }
        }

        #[inline(always)]
        fn look_up(self, values: &[i8; 16], codes: &[u8; 16]) -> [u8; 16] {
            // SAFETY: `self` proves that the processor has the features.
            unsafe { look_up(values, codes) }
        }
    }

    // Decoders are inlined here, and so compiled for AVX2 too.
    #[target_feature(enable = "avx2,bmi2")]
    fn each_block<const BYTES: usize, const WEIGHTS: usize>(
        level: Avx2,
        bytes: &[u8],
        out: &mut [f32],
        decode: impl Fn(Avx2, &[u8; BYTES], &mut [f32; WEIGHTS]),
    ) {
        for (block, out) in bytes.as_chunks().0.iter().zip(out.as_chunks_mut().0) {
            decode(level, block, out);
        }
    }

    /// Weights from which on they are written past the cache, 4 MiB of them: it could not keep so many
    /// for the reader, and an ordinary store to memory reads the line first.
    const MANY: usize = 1 << 20;

    #[target_feature(enable = "avx2,bmi2")]
    fn each_block_streamed<const BYTES: usize, const WEIGHTS: usize>(
        level: Avx2,
        bytes: &[u8],
        out: &mut [f32],
        decode: impl Fn(Avx2, &[u8; BYTES], &mut [f32; WEIGHTS]),
    ) {
        const { assert!(WEIGHTS.is_multiple_of(4)) };
        let past_cache = out.len() >= MANY && out.as_ptr().addr().is_multiple_of(size_of::<__m128>());
        let mut weights = [0.0; WEIGHTS];
        for (block, out) in bytes.as_chunks().0.iter().zip(out.as_chunks_mut().0) {
            // One call, since the compiler inlines a decoder once.
            decode(level, block, if past_cache { &mut weights } else { out });
            if past_cache {
                stream(&weights, out);
            }
        }
        if past_cache {
            _mm_sfence();
        }
    }

    /// Copies past the cache to a place at a multiple of 16 bytes.
    #[inline]
    #[target_feature(enable = "avx2,bmi2")]
    fn stream<const N: usize>(from: &[f32; N], to: &mut [f32; N]) {
        for (from, to) in from.as_chunks::<4>().0.iter().zip(to.as_chunks_mut::<4>().0) {
            debug_assert!(to.as_ptr().addr().is_multiple_of(16));
            // SAFETY: reads four f32 of any alignment, and writes four at a multiple of 16 bytes.
            unsafe { _mm_stream_ps(to.as_mut_ptr(), _mm_loadu_ps(from.as_ptr())) }
        }
    }

    /// Eight codes as f32.
    #[inline]
    #[target_feature(enable = "avx2,bmi2")]
    fn widen(codes: &[u8; 8]) -> __m256 {
        // SAFETY: reads eight bytes, of any alignment.
        let codes = unsafe { _mm_loadl_epi64(codes.as_ptr().cast()) };
        _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(codes))
    }

    #[inline]
    #[target_feature(enable = "avx2,bmi2")]
    fn store(out: &mut [f32; 8], values: __m256) {
        // SAFETY: writes eight f32, of any alignment.
        unsafe { _mm256_storeu_ps(out.as_mut_ptr(), values) }
    }

    #[inline]
    #[target_feature(enable = "avx2,bmi2")]
    fn scale<const N: usize>(codes: &[u8; N], d: f32, out: &mut [f32; N]) {
        const { assert!(N.is_multiple_of(8)) };
        let d = _mm256_set1_ps(d);
        for (codes, out) in codes.as_chunks().0.iter().zip(out.as_chunks_mut().0) {
            store(out, _mm256_mul_ps(d, widen(codes)));
        }
    }

    #[inline]
    #[target_feature(enable = "avx2,bmi2")]
    fn scale_add<const N: usize>(codes: &[u8; N], d: f32, m: f32, out: &mut [f32; N]) {
        const { assert!(N.is_multiple_of(8)) };
        let (d, m) = (_mm256_set1_ps(d), _mm256_set1_ps(m));
        for (codes, out) in codes.as_chunks().0.iter().zip(out.as_chunks_mut().0) {
            store(out, _mm256_add_ps(_mm256_mul_ps(d, widen(codes)), m));
        }
    }

    #[inline]
    #[target_feature(enable = "avx2,bmi2")]
    fn look_up(values: &[i8; 16], codes: &[u8; 16]) -> [u8; 16] {
        let mut found = [0; 16];
        // SAFETY: reads and writes 16 bytes each, of any alignment.
        unsafe {
            let values = _mm_loadu_si128(values.as_ptr().cast());
            let codes = _mm_loadu_si128(codes.as_ptr().cast());
            _mm_storeu_si128(found.as_mut_ptr().cast(), _mm_shuffle_epi8(values, codes));
        }
        found
    }
}
