//! Times the decoding of a file of blocks, for benches/dequantize.py:
//!
//! time_dequantize TYPE BLOCKS PASSES [OUT]
//!
//! Decodes the whole file PASSES times and prints the nanoseconds of each pass: into a place for all of it
//! (`whole`), as gguf does; piece by piece into the same small place (`pieces`), as the engine goes through
//! tensors; and of filling and of copying as many bytes. OUT receives the weights as little-endian f32.

use atomizer_core::dtype::Dtype;
use atomizer_core::weights::decode_f32_into;
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

/// Runs `pass` `passes` times and prints what it is and the nanoseconds of each.
fn time(what: &str, passes: usize, mut pass: impl FnMut()) {
    pass(); // the first one brings pages and tables in
    let times = (0..passes).map(|_| {
        let begun = processor_time();
        pass();
        (processor_time() - begun).to_string()
    });
    println!("{what} {}", times.collect::<Vec<_>>().join(" "));
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (name, file, passes, out_file) = match &arguments[..] {
        [name, file, passes] => (name, file, passes.parse()?, None),
        [name, file, passes, out] => (name, file, passes.parse()?, Some(out)),
        _ => return Err("usage: time_dequantize TYPE BLOCKS PASSES [OUT]".into()),
    };
    let dtype = Dtype::from_name(name).ok_or_else(|| format!("no data type has the name {name}"))?;
    let bytes = std::fs::read(file)?;
    let row = dtype.info();
    let mut out = vec![0.0f32; bytes.len() / row.block_bytes as usize * row.block_weights as usize];
    decode_f32_into(dtype, &bytes, &mut out)?;
    if let Some(file) = out_file {
        std::fs::write(file, out.iter().flat_map(|weight| weight.to_le_bytes()).collect::<Vec<_>>())?;
    }
    let from = out.clone();
    time("whole", passes, || {
        decode_f32_into(dtype, black_box(&bytes), &mut out).expect("it was decoded before");
        black_box(&mut out);
    });
    let piece = PIECE / row.block_weights as usize * row.block_bytes as usize;
    time("pieces", passes, || {
        for bytes in black_box(&bytes[..]).chunks(piece) {
            let count = bytes.len() / row.block_bytes as usize * row.block_weights as usize;
            decode_f32_into(dtype, bytes, &mut out[..count]).expect("it was decoded before");
            black_box(&mut out);
        }
    });
    time("fill", passes, || black_box(&mut out[..]).fill(black_box(1.0)));
    time("copy", passes, || black_box(&mut out[..]).copy_from_slice(black_box(&from)));
    Ok(())
}
