//! The names of torch's storages and types.

use crate::dtype::Dtype;

/// What a storage's class is called before "Storage", and the type of its elements.
pub(super) const STORAGE_KINDS: &[(&str, Option<Dtype>)] = &[
    ("Double", Some(Dtype::F64)),
    ("Float", Some(Dtype::F32)),
    ("Half", Some(Dtype::F16)),
    ("BFloat16", Some(Dtype::BF16)),
    ("Long", Some(Dtype::I64)),
    ("Int", Some(Dtype::I32)),
    ("Short", Some(Dtype::I16)),
    ("Char", Some(Dtype::I8)),
    ("Byte", Some(Dtype::U8)),
    ("Bool", Some(Dtype::BOOL)),
    ("ComplexFloat", Some(Dtype::C64)),
    ("ComplexDouble", Some(Dtype::C128)),
    ("QInt8", Some(Dtype::I8)),
    ("QUInt8", Some(Dtype::U8)),
    ("QInt32", Some(Dtype::I32)),
    ("QUInt4x2", None),
    ("QUInt2x4", None),
];

/// The names of torch's types, and what they are here.
pub(super) const DTYPES: &[(&str, Option<Dtype>)] = &[
    ("float64", Some(Dtype::F64)),
    ("double", Some(Dtype::F64)),
    ("float32", Some(Dtype::F32)),
    ("float", Some(Dtype::F32)),
    ("float16", Some(Dtype::F16)),
    ("half", Some(Dtype::F16)),
    ("bfloat16", Some(Dtype::BF16)),
    ("float8_e4m3fn", Some(Dtype::F8_E4M3)),
    ("float8_e5m2", Some(Dtype::F8_E5M2)),
    ("float8_e4m3fnuz", Some(Dtype::F8_E4M3FNUZ)),
    ("float8_e5m2fnuz", Some(Dtype::F8_E5M2FNUZ)),
    ("float8_e8m0fnu", Some(Dtype::F8_E8M0)),
    ("complex64", Some(Dtype::C64)),
    ("cfloat", Some(Dtype::C64)),
    ("complex128", Some(Dtype::C128)),
    ("cdouble", Some(Dtype::C128)),
    ("int64", Some(Dtype::I64)),
    ("long", Some(Dtype::I64)),
    ("int32", Some(Dtype::I32)),
    ("int", Some(Dtype::I32)),
    ("int16", Some(Dtype::I16)),
    ("short", Some(Dtype::I16)),
    ("int8", Some(Dtype::I8)),
    ("uint8", Some(Dtype::U8)),
    ("uint16", Some(Dtype::U16)),
    ("uint32", Some(Dtype::U32)),
    ("uint64", Some(Dtype::U64)),
    ("bool", Some(Dtype::BOOL)),
    ("qint8", Some(Dtype::I8)),
    ("quint8", Some(Dtype::U8)),
    ("qint32", Some(Dtype::I32)),
    ("complex32", None),
    ("chalf", None),
    ("quint4x2", None),
    ("quint2x4", None),
    ("float4_e2m1fn_x2", None),
    ("bits8", None),
    ("bits16", None),
    ("bits1x8", None),
    ("bits2x4", None),
    ("bits4x2", None),
];

/// True for what stands before "Storage" in the name of a storage's class.
pub fn is_storage_kind(kind: &str) -> bool {
    is_untyped(kind) || kind == "Typed" || STORAGE_KINDS.iter().any(|(name, _)| *name == kind)
}

/// True for the name of a type in module `torch`.
pub fn is_dtype_name(name: &str) -> bool {
    DTYPES.iter().any(|(known, _)| *known == name)
}

pub(super) fn is_untyped(kind: &str) -> bool {
    matches!(kind, "Untyped" | "_Untyped")
}
