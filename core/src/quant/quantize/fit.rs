//! The search for a scale (and a minimum) that loses least, and the codes of weights at that scale.
//! Sources: `nearest_int`, `make_qkx2_quants`, `make_qx_quants` and `make_q3_quants` in ggml's
//! `ggml-quants.c`. Sums run in ggml's order: another order would choose another scale where two lose
//! nearly the same.

/// ggml takes groups of weights that are all smaller for zeros (`GROUP_MAX_EPS`).
pub(super) const NEGLIGIBLE: f32 = 1e-15;

/// The nearest integer, halves to even: adding 3 · 2²² leaves it in the lowest bits of the sum. Beyond ±2²²
/// these bits mean nothing but are the same as ggml's: an infinity gives −2²², NaN gives 0.
#[inline(always)]
pub(super) fn nearest(value: f32) -> i32 {
    const SHIFT: f32 = 12_582_912.0;
    ((value + SHIFT).to_bits() & 0x7f_ffff) as i32 - 0x40_0000
}

/// The first value of the greatest magnitude, with its sign; 0 if all are NaN.
pub(super) fn extreme(values: &[f32]) -> f32 {
    values.iter().fold(0.0, |extreme: f32, &value| if value.abs() > extreme.abs() { value } else { extreme })
}

/// A scale and the codes found with it.
pub(super) struct Fit<const N: usize> {
    pub(super) scale: f32,
    /// Subtracted from every weight: 0 or more, and always 0 for symmetric codes.
    pub(super) minimum: f32,
    pub(super) codes: [u8; N],
}

impl<const N: usize> Fit<N> {
    /// Weights that are all the same, or zeros.
    fn flat(minimum: f32) -> Self {
        Self { scale: 0.0, minimum, codes: [0; N] }
    }
}

/// The scales that [`affine`] tries: those that spread the weights over `top + first + step / 10` codes, for
/// steps from 0 to `steps`.
pub(super) struct Search {
    pub(super) top: u8,
    pub(super) first: f32,
    pub(super) steps: u8,
}

/// Finds a scale and a minimum for codes from 0 to `top`. Each scale tried gives codes; the least squares for
/// these codes give a scale and a minimum; the pair with the smallest weighted sum of `error` wins.
/// (`make_qkx2_quants`)
#[inline(always)]
pub(super) fn affine<const N: usize>(
    weights: &[f32; N],
    importance: &[f32; N],
    search: Search,
    error: impl Fn(f32) -> f32,
) -> Fit<N> {
    let (low, high) = super::pack::bounds(weights);
    let mut low = if low > 0.0 { 0.0 } else { low };
    if high == low {
        return Fit::flat(-low);
    }
    let top = f32::from(search.top);
    let encode = |inverse: f32, low: f32| {
        weights.map(|weight| nearest(inverse * (weight - low)).clamp(0, search.top.into()) as u8)
    };
    let total_error = |scale: f32, low: f32, codes: &[u8; N]| {
        let mut total = 0.0;
        for i in 0..N {
            total += importance[i] * error(scale * f32::from(codes[i]) + low - weights[i]);
        }
        total
    };
    // The first terms and not zeros: 0 + −0 is 0, and the sign of a sum of zeros reaches the minimum.
    let (mut sum, mut sum_x) = (importance[0], importance[0] * weights[0]);
    for i in 1..N {
        sum += importance[i];
        sum_x += importance[i] * weights[i];
    }
    let inverse = top / (high - low);
    let mut scale = 1.0 / inverse;
    let mut codes = encode(inverse, low);
    let mut best_error = total_error(scale, low, &codes);
    for step in 0..=search.steps {
        // `low` is that of the best pair so far.
        let inverse = (search.first + 0.1 * f32::from(step) + top) / (high - low);
        let new_codes = encode(inverse, low);
        let (mut sum_l, mut sum_l2, mut sum_xl) = (0.0, 0.0, 0.0);
        for i in 0..N {
            let code = f32::from(new_codes[i]);
            let product = importance[i] * code;
            sum_l += product;
            sum_l2 += product * code;
            sum_xl += product * weights[i];
        }
        let determinant = sum * sum_l2 - sum_l * sum_l;
        if determinant > 0.0 {
            let mut new_scale = (sum * sum_xl - sum_x * sum_l) / determinant;
            let mut new_low = (sum_l2 * sum_x - sum_l * sum_xl) / determinant;
            if new_low > 0.0 {
                new_low = 0.0;
                new_scale = sum_xl / sum_l2;
            }
            let new_error = total_error(new_scale, new_low, &new_codes);
            if new_error < best_error {
                (best_error, scale, low, codes) = (new_error, new_scale, new_low, new_codes);
            }
        }
    }
    Fit { scale, minimum: -low, codes }
}

/// Finds a scale for codes from −`half` to `half` − 1, which are returned counted from 0: the best of 19 that
/// map the extreme weight near −`half`. Squared errors are weighted by squared weights.
/// (`make_qx_quants` with `rmse_type` 1)
#[inline(always)]
pub(super) fn symmetric<const N: usize>(weights: &[f32; N], half: u8) -> Fit<N> {
    let extreme = extreme(weights);
    if extreme.abs() < NEGLIGIBLE {
        return Fit::flat(0.0);
    }
    let (min, max) = (-i32::from(half), i32::from(half) - 1);
    let encode = |inverse: f32| weights.map(|weight| nearest(inverse * weight).clamp(min, max));
    let mut codes = encode(-f32::from(half) / extreme);
    let (sum_xl, sum_l2) = weighted_sums(weights, &codes);
    let mut scale = if sum_l2 == 0.0 { 0.0 } else { sum_xl / sum_l2 };
    let mut best = scale * sum_xl;
    for step in (-9i8..=9).filter(|step| *step != 0) {
        let new_codes = encode(-(f32::from(half) + 0.1 * f32::from(step)) / extreme);
        let (sum_xl, sum_l2) = weighted_sums(weights, &new_codes);
        if sum_l2 > 0.0 && sum_xl * sum_xl > best * sum_l2 {
            codes = new_codes;
            scale = sum_xl / sum_l2;
            best = scale * sum_xl;
        }
    }
    Fit { scale, minimum: 0.0, codes: codes.map(|code| (code - min) as u8) }
}

/// The sums Σ w·x·l and Σ w·l² of weights x and codes l, with w = x².
fn weighted_sums<const N: usize>(weights: &[f32; N], codes: &[i32; N]) -> (f32, f32) {
    weights.iter().zip(codes).fold((0.0, 0.0), |(sum_xl, sum_l2), (&weight, &code)| {
        let (importance, code) = (weight * weight, code as f32);
        (sum_xl + importance * weight * code, sum_l2 + importance * code * code)
    })
}

/// Finds a scale for codes from −`half` to `half` − 1, which are returned counted from 0. Starts with the
/// scale that maps the extreme weight to −`half`; then each code moves to where the best scale for all the
/// others puts it, if that loses less, until none moves, five rounds at most. (`make_q3_quants`)
#[inline(always)]
pub(super) fn one_by_one<const N: usize>(weights: &[f32; N], half: u8) -> Fit<N> {
    let extreme = extreme(weights);
    if extreme.abs() < NEGLIGIBLE {
        return Fit::flat(0.0);
    }
    let (min, max) = (-i32::from(half), i32::from(half) - 1);
    let encode = |value: f32| nearest(value).clamp(min, max);
    let inverse = -f32::from(half) / extreme;
    let mut codes = weights.map(|weight| encode(inverse * weight));
    let (mut sum_xl, mut sum_l2) = weighted_sums(weights, &codes);
    for _ in 0..5 {
        let mut moved = false;
        for (&weight, code) in weights.iter().zip(&mut codes) {
            let importance = weight * weight;
            let number = *code as f32;
            let rest_xl = sum_xl - importance * weight * number;
            if rest_xl > 0.0 {
                let rest_l2 = sum_l2 - importance * number * number;
                let new_code = encode(weight * rest_l2 / rest_xl);
                if new_code != *code {
                    let number = new_code as f32;
                    let new_xl = rest_xl + importance * weight * number;
                    let new_l2 = rest_l2 + importance * number * number;
                    if new_l2 > 0.0 && new_xl * new_xl * sum_l2 > sum_xl * sum_xl * new_l2 {
                        (*code, sum_xl, sum_l2) = (new_code, new_xl, new_l2);
                        moved = true;
                    }
                }
            }
        }
        if !moved {
            break;
        }
    }
    let scale = if sum_l2 > 0.0 { sum_xl / sum_l2 } else { 0.0 };
    Fit { scale, minimum: 0.0, codes: codes.map(|code| (code - min) as u8) }
}
