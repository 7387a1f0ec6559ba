//! What one pickle imports and calls. Other than the machine that builds a model's objects, this one goes on
//! where Python would stop, as whoever edits a pickle counts on readers that give up. It keeps texts, which may
//! become names, and what was imported; everything else is only there.
//! Source: CPython's `Lib/pickletools.py` and `Modules/_pickle.c`.

mod fault;
mod found;
mod lines;
mod machine;

use crate::formats::containers::pickle::EXTENSION;
use crate::formats::support::header_reader::HeaderReader;
use crate::source::Source;
use machine::Machine;

pub(super) use found::{End, Follow, Import};

/// What was seen in one pickle.
#[derive(Debug)]
pub(super) struct Seen {
    /// Everything that is imported, in the order of the first times.
    pub(super) imports: Vec<Import>,
    /// How it ends.
    pub(super) end: End,
    /// The first thing that Python would have stopped at, where it was gone past.
    pub(super) irregular: Option<(u64, String)>,
    /// The byte behind it.
    pub(super) next: u64,
    /// The opcodes.
    pub(super) opcodes: u64,
    /// Constants that may be files: first byte and length.
    pub(super) constants: Vec<(u64, u64)>,
    /// What Python reads and no writer writes, each once, with its byte.
    pub(super) signs: Vec<(u64, &'static str)>,
}

impl Seen {
    /// True where something is imported that could be, and what it is shows that this is a pickle: random bytes
    /// hardly ever end in order, or name a thing and call it.
    pub(super) fn is_evident(&self) -> bool {
        let named = |import: &&Import| import.module != EXTENSION && is_plausible(&import.module);
        match self.end {
            End::Stop => self.imports.iter().any(|import| named(&import) || import.module == EXTENSION),
            _ => self.imports.iter().any(|import| {
                named(&import) && (import.is_called || super::policy::is_known(&import.module))
            }),
        }
    }
}

/// True for what may be a module's name; the empty one stands for a computed name.
fn is_plausible(module: &str) -> bool {
    module.chars().all(|c| c != ' ' && !c.is_control() && c != char::REPLACEMENT_CHARACTER)
}

/// Reads the pickle at a byte of a source.
pub(super) fn look(
    source: &dyn Source,
    start: u64,
    follow: Follow,
    max_opcodes: u64,
    tick: &mut dyn FnMut(),
) -> Seen {
    let mut machine = Machine::new(follow);
    let mut reader = HeaderReader::new(source);
    let end = match reader.skip(start, "the pickle") {
        Ok(()) => machine.run(&mut reader, max_opcodes, tick),
        Err(error) => End::Broken(start, error.to_string()),
    };
    machine.count_memo();
    let Machine { imports, irregular, opcodes, constants, signs, .. } = machine;
    Seen { imports, end, irregular, next: reader.position(), opcodes, constants, signs }
}
