//! Loops over blocks, compiled twice: for every processor of the architecture, and for x86-64 ones
//! with AVX2, which is asked for at run time. The loops are the same Rust code, which the compiler
//! vectorizes; so both give the same bits. FMA stays off: it would round a product and a sum once.
//! On AArch64 vectors (NEON) belong to every processor.
//!
//! The only module of the engine with `unsafe`: a function compiled for AVX2 must not be called
//! where there is none.

/// How to go through blocks.
pub(crate) trait Loop {
    /// Decodes each block of `bytes` to its weights in `out`. The shorter of the two ends it.
    fn each_block<const BYTES: usize, const WEIGHTS: usize>(
        bytes: &[u8],
        out: &mut [f32],
        decode: impl Fn(&[u8; BYTES], &mut [f32; WEIGHTS]),
    );
}

/// As every processor of the architecture can.
pub(crate) struct Portable;

impl Loop for Portable {
    // Inlined into the loop for AVX2, and compiled for it there.
    #[inline(always)]
    fn each_block<const BYTES: usize, const WEIGHTS: usize>(
        bytes: &[u8],
        out: &mut [f32],
        decode: impl Fn(&[u8; BYTES], &mut [f32; WEIGHTS]),
    ) {
        for (block, out) in bytes.as_chunks().0.iter().zip(out.as_chunks_mut().0) {
            decode(block, out);
        }
    }
}

/// As this processor can best.
pub(crate) struct Fastest;

impl Loop for Fastest {
    #[inline]
    fn each_block<const BYTES: usize, const WEIGHTS: usize>(
        bytes: &[u8],
        out: &mut [f32],
        decode: impl Fn(&[u8; BYTES], &mut [f32; WEIGHTS]),
    ) {
        #[cfg(target_arch = "x86_64")]
        if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("bmi2") {
            // SAFETY: the processor has both features.
            return unsafe { each_block_avx2(bytes, out, decode) };
        }
        Portable::each_block(bytes, out, decode);
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,bmi2")]
fn each_block_avx2<const BYTES: usize, const WEIGHTS: usize>(
    bytes: &[u8],
    out: &mut [f32],
    decode: impl Fn(&[u8; BYTES], &mut [f32; WEIGHTS]),
) {
    Portable::each_block(bytes, out, decode);
}
