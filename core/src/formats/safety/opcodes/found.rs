//! What is found in a pickle, and how it ends.

/// How far a pickle is followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::formats::safety) enum Follow {
    /// As Python does: to the first error.
    Strict,
    /// As far as there are opcodes.
    Lenient,
}

/// What a pickle imports.
#[derive(Debug, Clone)]
pub(in crate::formats::safety) struct Import {
    /// The module; empty where it is computed by a call.
    pub(in crate::formats::safety) module: String,
    /// The name in it.
    pub(in crate::formats::safety) name: String,
    /// How often.
    pub(in crate::formats::safety) count: u64,
    /// The first byte of the first opcode that imports it.
    pub(in crate::formats::safety) offset: u64,
    /// True where it is called, or made an instance of.
    pub(in crate::formats::safety) is_called: bool,
    /// True where the name does not stand right before the import, as with every writer.
    pub(in crate::formats::safety) is_hidden: bool,
    /// True where attributes of it are set, rather than of an instance.
    pub(in crate::formats::safety) is_changed: bool,
}

/// How a pickle ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::formats::safety) enum End {
    /// At the opcode STOP.
    Stop,
    /// With an error at a byte: what was before it is run, what is behind it is not.
    Broken(u64, String),
    /// At a limit.
    Limit(&'static str),
}
