//! What is compiled for the processor's own vectors, and chosen at run time: the only module of the
//! engine with `unsafe`.

#![allow(unsafe_code)]

pub(crate) mod level;
pub(crate) mod wide;
