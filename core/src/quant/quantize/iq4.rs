//! Quantizing to ggml's four-bit IQ types, whose codes name the values of an uneven scale.
//! Source: `quantize_row_iq4_nl_impl` in ggml's `ggml-quants.c`, with the seven tries to either side that
//! `ggml_quantize_chunk` asks for, and so `llama-quantize`. (`quantize_row_iq4_nl_ref`, which fills key-value
//! caches, makes none, and leaves the codes of a block of zeros undefined.)

use super::fit::{NEGLIGIBLE, extreme, nearest};
use super::pack::{put_half, put_nibbles, reciprocal};
use crate::quant::iq::IQ4_VALUES;
use crate::quant::layout::SUPER;

/// The values as f32. They ascend.
const VALUES: [f32; 16] = {
    let mut values = [0.0; 16];
    let mut i = 0;
    while i < 16 {
        values[i] = IQ4_VALUES[i] as f32;
        i += 1;
    }
    values
};

/// The code of the nearest value, of two the greater one. NaN gives the greatest.
#[inline(always)]
fn code(value: f32) -> u8 {
    // The neighbour below is one of the first 15 values: counted and not searched, it takes no branch.
    let below = 14 - VALUES[1..15].iter().fold(0, |above, &other| above + usize::from(value < other));
    let nearer = value - VALUES[below] < VALUES[below + 1] - value;
    (if nearer { below } else { below + 1 }) as u8
}

/// The best of 16 scales. Squared errors are weighted by squared weights.
fn best_scale(weights: &[f32; 32]) -> f32 {
    let extreme = extreme(weights);
    if extreme.abs() < NEGLIGIBLE {
        return 0.0;
    }
    let sums = |inverse: f32| {
        let (mut sum_xq, mut sum_q2) = (0.0, 0.0);
        let codes = weights.map(|weight| code(inverse * weight));
        for (&weight, code) in weights.iter().zip(codes) {
            let (importance, value) = (weight * weight, VALUES[usize::from(code)]);
            sum_xq += importance * value * weight;
            sum_q2 += importance * value * value;
        }
        (sum_xq, sum_q2)
    };
    let (sum_xq, sum_q2) = sums(1.0 / (-extreme / VALUES[0]));
    let mut scale = if sum_q2 > 0.0 { sum_xq / sum_q2 } else { 0.0 };
    let mut best = scale * sum_xq;
    for step in -7i8..=7 {
        let (sum_xq, sum_q2) = sums((f32::from(step) + VALUES[0]) / extreme);
        if sum_q2 > 0.0 && sum_xq * sum_xq > best * sum_q2 {
            scale = sum_xq / sum_q2;
            best = scale * sum_xq;
        }
    }
    scale
}

/// IQ4_NL: 32 weights behind an f16 scale; the codes are those of the scale before it is rounded.
pub(super) fn iq4_nl(weights: &[f32; 32], out: &mut Vec<u8>) {
    let d = best_scale(weights);
    let inverse = reciprocal(d);
    // Sums may overflow. The NaN that x86 then makes has its sign set, others' has not.
    put_half(out, if d.is_nan() { d.copysign(-1.0) } else { d });
    put_nibbles(out, &weights.map(|weight| code(inverse * weight)));
}

/// IQ4_XS: for 32 weights a 6-bit scale, its highest two bits apart.
pub(super) fn iq4_xs(weights: &[f32; SUPER], out: &mut Vec<u8>) {
    let parts: &[[f32; 32]] = weights.as_chunks().0;
    let scales: [f32; 8] = std::array::from_fn(|i| best_scale(&parts[i]));
    let d = -extreme(&scales) / 32.0;
    let inverse = reciprocal(d);
    let scales = scales.map(|scale| nearest(inverse * scale).clamp(-32, 31));
    let bits = scales.map(|scale| (scale + 32) as u16);
    put_half(out, d);
    out.extend((0..8).fold(0, |high, i| high | bits[i] >> 4 << (2 * i)).to_le_bytes());
    out.extend((0..4).map(|i| (bits[2 * i] & 15 | (bits[2 * i + 1] & 15) << 4) as u8));
    for (weights, scale) in parts.iter().zip(scales) {
        let inverse = reciprocal(d * scale as f32);
        put_nibbles(out, &weights.map(|weight| code(inverse * weight)));
    }
}
