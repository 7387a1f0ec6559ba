//! NumPy's names of plain numbers.

use crate::dtype::Dtype;

/// The type of a kind and its bytes (`f4`), which stand behind the byte order in an array's description.
pub fn dtype_of(kind: &str) -> Option<Dtype> {
    Some(match kind {
        "f2" => Dtype::F16,
        "f4" => Dtype::F32,
        "f8" => Dtype::F64,
        "i1" => Dtype::I8,
        "i2" => Dtype::I16,
        "i4" => Dtype::I32,
        "i8" => Dtype::I64,
        "u1" => Dtype::U8,
        "u2" => Dtype::U16,
        "u4" => Dtype::U32,
        "u8" => Dtype::U64,
        "b1" => Dtype::BOOL,
        "c8" => Dtype::C64,
        "c16" => Dtype::C128,
        _ => return None,
    })
}
