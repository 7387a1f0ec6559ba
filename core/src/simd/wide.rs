//! Loops compiled a second time, for AVX2. Plain loops are compiled for what every x86-64 processor
//! has, and that is vectors of two f64; with AVX2 there are four. The results are the same to the
//! last bit: FMA, which rounds a product and a sum once, stays off.
//!
//! The `unsafe` is that code for AVX2 must not run on a processor without it, which is asked first;
//! and the instruction that fetches memory ahead of its use, which takes a pointer.

/// A loop worth it. `run`, and all that it calls in the loop, must be `#[inline(always)]`: a call
/// is code of its own, which was compiled for every processor.
pub(crate) trait Kernel {
    type Output;

    fn run(self) -> Self::Output;
}

/// Runs a kernel, on vectors as wide as the processor's.
pub(crate) fn run<K: Kernel>(kernel: K) -> K::Output {
    #[cfg(target_arch = "x86_64")]
    {
        #[target_feature(enable = "avx2")]
        fn avx2<K: Kernel>(kernel: K) -> K::Output {
            kernel.run()
        }
        if is_x86_feature_detected!("avx2") {
            // SAFETY: the processor has the feature.
            return unsafe { avx2(kernel) };
        }
    }
    kernel.run()
}

/// Asks for the memory `ahead` elements after the first into the cache; past the slice's end too,
/// which does nothing.
#[inline(always)]
pub(crate) fn prefetch<T>(slice: &[T], ahead: usize) {
    #[cfg(target_arch = "x86_64")]
    {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        // SAFETY: a hint, which reads nothing and can't fail whatever the address.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(slice.as_ptr().wrapping_add(ahead).cast()) };
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = (slice, ahead);
}
