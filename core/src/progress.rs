//! How far long work is: what is shown of it, as numbers and as one line.
//!
//! A [`Report`] fits in the few integers that a server keeps for each of its processes
//! ([`Report::to_params`]), so that others can read it while the work runs.

use std::fmt;
use std::time::Duration;

#[cfg(test)]
mod tests;

/// Time between two lines at least, and before the first one: short work is silent.
pub const LINE_INTERVAL: Duration = Duration::from_secs(1);

/// Makes an enum whose values have a number, which processes tell each other, and a name.
macro_rules! named {
    ($(#[$about:meta])* $name:ident { $($(#[$doc:meta])* $value:ident = $code:literal $text:literal,)* }) => {
        $(#[$about])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum $name { $($(#[$doc])* $value = $code,)* }

        impl $name {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$value),*];

            /// As users read it.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$value => $text,)* }
            }

            /// By its name.
            pub fn from_name(name: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|value| value.name() == name)
            }

            fn from_code(code: i64) -> Option<Self> {
                Self::ALL.iter().copied().find(|value| *value as i64 == code)
            }
        }
    };
}

named! {
    /// Long work, by the function or procedure that does it.
    Work {
        /// An ingestion, however it was started.
        Ingest = 1 "ingest_model",
        /// Placing tensors or rows in space.
        Spatialize = 2 "spatialize_model",
        /// Decomposing the matrices of a model.
        Compress = 3 "compress_model",
        /// Measuring the spectra of a model.
        Analyze = 4 "analyze_model",
        /// Writing a model's files.
        Export = 5 "export_model",
        /// Rebuilding a model's files to compare them.
        Verify = 6 "verify_model",
        /// Checking every invariant.
        CheckIntegrity = 7 "check_integrity",
        /// Removing what nothing refers to.
        CollectGarbage = 8 "collect_garbage",
        /// Building the spatial indexes.
        BuildIndexes = 9 "build_spatial_indexes",
        /// Decomposing the difference of two models.
        ExtractLora = 10 "extract_lora_model",
        /// Measuring the spectra of a model, to show them.
        ShowSpectra = 11 "model_spectral_measures",
    }
}

named! {
    /// What the work is at. Each phase counts its own share.
    Phase {
        /// Reading the files of a model, to know what they hold.
        Reading = 1 "reading",
        /// Storing what is new.
        Storing = 2 "storing",
        /// Rebuilding the files from what is stored.
        Verifying = 3 "verifying",
        /// Writing files.
        Writing = 4 "writing",
        /// Computing points.
        Placing = 5 "placing",
        /// Decomposing matrices.
        Decomposing = 6 "decomposing",
        /// Measuring spectra.
        Measuring = 7 "measuring",
        /// Decoding every stored content.
        Decoding = 8 "decoding contents",
        /// Counting the weights of every model.
        Counting = 9 "counting weights",
        /// Comparing rows with each other.
        Comparing = 10 "comparing rows",
        /// Deleting rows.
        Deleting = 11 "deleting",
        /// Building an index.
        Indexing = 12 "building indexes",
    }
}

impl Phase {
    /// Whether what it does is to read stored bytes: reading them is then its progress.
    pub fn counts_reads(self) -> bool {
        matches!(self, Self::Verifying | Self::Writing | Self::Decoding | Self::Counting)
    }
}

named! {
    /// What is counted.
    Unit {
        /// Bytes.
        Bytes = 1 "bytes",
        /// Weights.
        Weights = 2 "weights",
        /// Tensors.
        Tensors = 3 "tensors",
        /// Atoms.
        Atoms = 4 "atoms",
        /// Indexes.
        Indexes = 5 "indexes",
        /// Blocks of a table, as PostgreSQL counts them while it builds an index.
        Blocks = 6 "blocks",
    }
}

/// How far work is. Times are microseconds of one clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Report {
    /// What works.
    pub work: Work,
    /// What it is at.
    pub phase: Phase,
    /// What is counted.
    pub unit: Unit,
    /// The model; 0 for work on all of them.
    pub model_id: i64,
    /// The tenant whose members may see it; 0 for none.
    pub tenant_id: i64,
    /// The ingestion job; 0 for none.
    pub job_id: i64,
    /// How many are done, of this phase.
    pub done: u64,
    /// How many there are, in this phase; 0 where that is not known.
    pub total: u64,
    /// How many were done when this run of the phase began.
    pub done_before: u64,
    /// When the work began.
    pub started: i64,
    /// When the phase began.
    pub phase_started: i64,
}

/// Says that the numbers are of a [`Report`], and of which making: another version's are not read.
const MAGIC: i64 = 0x61_746f_6d69_7a31;

/// Numbers of an encoded [`Report`].
pub const PARAMS: usize = 12;

impl Report {
    /// As numbers.
    pub fn to_params(&self) -> [i64; PARAMS] {
        [
            MAGIC,
            self.work as i64,
            self.phase as i64,
            self.unit as i64,
            self.model_id,
            self.tenant_id,
            self.job_id,
            self.done as i64,
            self.total as i64,
            self.done_before as i64,
            self.started,
            self.phase_started,
        ]
    }

    /// From numbers; none if they are no report.
    pub fn from_params(params: &[i64]) -> Option<Self> {
        let params: &[i64; PARAMS] = params.first_chunk()?;
        (params[0] == MAGIC).then_some(())?;
        Some(Self {
            work: Work::from_code(params[1])?,
            phase: Phase::from_code(params[2])?,
            unit: Unit::from_code(params[3])?,
            model_id: params[4],
            tenant_id: params[5],
            job_id: params[6],
            done: params[7].try_into().ok()?,
            total: params[8].try_into().ok()?,
            done_before: params[9].try_into().ok()?,
            started: params[10],
            phase_started: params[11],
        })
    }

    /// The share that is done, from 0 to 1; none where the whole is not known.
    pub fn share(&self) -> Option<f64> {
        (self.total > 0).then(|| (self.done as f64 / self.total as f64).min(1.0))
    }

    /// How many a second, since this run of the phase began; none before anything is done.
    pub fn rate(&self, now: i64) -> Option<f64> {
        let (done, micros) =
            (self.done.saturating_sub(self.done_before), now.saturating_sub(self.phase_started));
        (done > 0 && micros > 0).then(|| done as f64 * 1e6 / micros as f64)
    }

    /// Time until the phase is at its end, if it goes on as it did.
    pub fn time_left(&self, now: i64) -> Option<Duration> {
        if self.total == 0 {
            return None;
        }
        let seconds = self.total.saturating_sub(self.done) as f64 / self.rate(now)?;
        Duration::try_from_secs_f64(seconds).ok()
    }

    /// The rate as users read it: `95 MB/s`.
    pub fn rate_text(&self, now: i64) -> Option<String> {
        self.rate(now).map(|rate| format!("{}/s", Amount(rate, self.unit)))
    }

    /// The line that a client sees: `storing: 34 % of 98 MB, 95 MB/s, 2 s to go`.
    pub fn line(&self, now: i64) -> String {
        let mut line = format!("{}: ", self.phase.name());
        match self.share() {
            // 100 % is said when there is nothing left.
            Some(share) => {
                let percent = if self.done < self.total { (share * 100.0).round().min(99.0) } else { 100.0 };
                line += &format!("{percent} % of {}", Amount(self.total as f64, self.unit));
            }
            None if self.done > 0 => line += &Amount(self.done as f64, self.unit).to_string(),
            None => line.truncate(self.phase.name().len()),
        }
        if let Some(rate) = self.rate_text(now) {
            line += &format!(", {rate}");
        }
        if let Some(left) = self.time_left(now).filter(|left| !left.is_zero()) {
            line += &format!(", {} to go", TimeText(left));
        }
        line
    }
}

/// A number with its unit, short: `98 MB`, `134.5 million weights`.
struct Amount(f64, Unit);

impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let Self(amount, unit) = *self;
        // As pg_size_pretty() names them, which every other size goes through.
        let (scales, step) = match unit {
            Unit::Bytes => ([" bytes", " kB", " MB", " GB", " TB"], 1024.0),
            _ => (["", " thousand", " million", " billion", " trillion"], 1000.0),
        };
        let (mut amount, mut scale) = (amount, 0);
        while amount.round() >= if scale == 0 { 10.0 * step } else { step } && scale + 1 < scales.len() {
            amount /= step;
            scale += 1;
        }
        let digits =
            usize::from(if scale > 0 { amount < 99.95 } else { amount < 10.0 && amount.fract() != 0.0 });
        write!(f, "{amount:.digits$}{}", scales[scale])?;
        if unit != Unit::Bytes {
            write!(f, " {}", unit.name())?;
        }
        Ok(())
    }
}

/// A time, to a second, or to a minute where it is longer than an hour: `3 min 20 s`.
struct TimeText(Duration);

impl fmt::Display for TimeText {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let seconds = self.0.as_secs_f64().ceil() as u64;
        match (seconds / 3600, seconds / 60 % 60, seconds % 60) {
            (0, 0, seconds) => write!(f, "{seconds} s"),
            (0, minutes, seconds) => write!(f, "{minutes} min {seconds} s"),
            (hours, minutes, _) => write!(f, "{hours} h {minutes} min"),
        }
    }
}
