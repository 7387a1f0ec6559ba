//! Times candle's decoding of a file of blocks, as the engine's example `time_dequantize` times ours:
//!
//! candle-dequantize TYPE BLOCKS PASSES
//!
//! Prints the nanoseconds of each pass, or nothing when candle has not the type.

use candle_core::quantized::{GgmlType, k_quants};
use std::error::Error;
use std::hint::black_box;

/// Weights of a piece: 256 KB of them.
const PIECE: usize = 1 << 16;

/// Processor time of this thread in nanoseconds: what others take of a shared machine is left out.
fn processor_time() -> i64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: writes one timespec.
    let status = unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &mut time) };
    assert_eq!(status, 0, "a thread has a clock");
    time.tv_sec * 1_000_000_000 + time.tv_nsec
}

/// Reads blocks of one type, and decodes them again and again: into a place for all of them, and piece by
/// piece into the same small one.
fn time<T: GgmlType>(bytes: &[u8], passes: usize) -> Result<(), Box<dyn Error>> {
    let mut blocks = vec![T::zeros(); bytes.len() / size_of::<T>()];
    if size_of_val(&blocks[..]) != bytes.len() {
        return Err("a part of a block".into());
    }
    // SAFETY: both have as many bytes, and candle's blocks are plain numbers, for which any bits are good.
    unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), blocks.as_mut_ptr().cast(), bytes.len()) };
    let mut out = vec![0.0f32; blocks.len() * T::BLCK_SIZE];
    for (what, piece) in [("whole", blocks.len()), ("pieces", PIECE / T::BLCK_SIZE)] {
        print!("{what}");
        for pass in 0..=passes {
            let begun = processor_time();
            for blocks in black_box(&blocks).chunks(piece) {
                T::to_float(blocks, black_box(&mut out[..blocks.len() * T::BLCK_SIZE]));
            }
            // The first one brings pages and tables in.
            if pass > 0 {
                print!(" {}", processor_time() - begun);
            }
        }
        println!();
    }
    Ok(())
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [name, file, passes] = &arguments[..] else {
        return Err("usage: candle-dequantize TYPE BLOCKS PASSES".into());
    };
    let (bytes, passes) = (std::fs::read(file)?, passes.parse()?);
    match name.as_str() {
        "Q4_0" => time::<k_quants::BlockQ4_0>(&bytes, passes),
        "Q4_1" => time::<k_quants::BlockQ4_1>(&bytes, passes),
        "Q5_0" => time::<k_quants::BlockQ5_0>(&bytes, passes),
        "Q5_1" => time::<k_quants::BlockQ5_1>(&bytes, passes),
        "Q8_0" => time::<k_quants::BlockQ8_0>(&bytes, passes),
        "Q2_K" => time::<k_quants::BlockQ2K>(&bytes, passes),
        "Q3_K" => time::<k_quants::BlockQ3K>(&bytes, passes),
        "Q4_K" => time::<k_quants::BlockQ4K>(&bytes, passes),
        "Q5_K" => time::<k_quants::BlockQ5K>(&bytes, passes),
        "Q6_K" => time::<k_quants::BlockQ6K>(&bytes, passes),
        _ => Ok(()),
    }
}
