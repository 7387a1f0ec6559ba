//! Times a decomposition: `time_svd FILE ROWS COLUMNS RANK TIMES` reads little-endian f32, row by row, and
//! prints the seconds of each run, then the relative error. With rank 0 it computes all singular
//! values, and with RANK `all` the whole decomposition. benches/svd.py runs it beside its peers.

use atomizer_core::matrix_memory::MatrixMemory;
use atomizer_core::{parallel, svd};
use std::error::Error;
use std::time::Instant;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [file, rows, columns, rank, times] = &arguments[..] else {
        return Err("usage: time_svd FILE ROWS COLUMNS RANK TIMES".into());
    };
    let (rows, columns, times) = (rows.parse()?, columns.parse()?, times.parse::<usize>()?);
    let rank = if rank == "all" { usize::MAX } else { rank.parse()? };
    let bytes = std::fs::read(file)?;
    let words = bytes.as_chunks().0;
    let mut matrix = MatrixMemory::new(words.len())?;
    matrix.iter_mut().zip(words).for_each(|(value, word)| *value = f32::from_le_bytes(*word));
    parallel::start();
    for run in 0..times {
        let begun = Instant::now();
        if rank == 0 {
            let s = parallel::cancellable(|cancel| svd::spectrum(&matrix, rows, columns, cancel), || false)?;
            println!("{}", begun.elapsed().as_secs_f64());
            assert_eq!(s.len(), rows.min(columns));
            continue;
        }
        let svd =
            parallel::cancellable(|cancel| svd::decompose(&matrix, rows, columns, rank, cancel), || false)?;
        println!("{}", begun.elapsed().as_secs_f64());
        if run + 1 == times {
            println!("{}", svd.relative_error);
        }
    }
    Ok(())
}
