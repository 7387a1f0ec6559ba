//! Data types of tensors: one table of names and sizes, which the parsers, the decoders, the SQL
//! enum and the docs share.

use crate::byte_range::ByteRange;

/// How a data type stores its weights.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// Binary floating point, one weight after the other.
    Float,
    /// Integers and booleans.
    Integer,
    /// Anything else that is stored one value after the other.
    Other,
    /// Blocks of quantized weights with their scales.
    Quantized,
}

/// One row of the table of data types.
#[derive(Debug, Clone, Copy)]
pub struct DtypeInfo {
    /// The type.
    pub dtype: Dtype,
    /// Its name in SQL and in messages: ggml's or safetensors' own.
    pub name: &'static str,
    /// Weights in one block; 1 for plain types.
    pub block_weights: u32,
    /// Bytes of one block.
    pub block_bytes: u32,
    /// The number of the type in GGUF files (`enum ggml_type`), where it has one.
    pub ggml_id: Option<u32>,
    /// How the weights are stored.
    pub class: Class,
}

macro_rules! dtypes {
    ($($variant:ident $weights:literal $bytes:literal $id:expr, $class:ident;)*) => {
        /// The data type of a tensor: every type of GGUF (`enum ggml_type`), of safetensors, and of
        /// the other formats that hold plain numbers.
        #[allow(non_camel_case_types, missing_docs)]
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Dtype { $($variant,)* }

        /// Every data type with its sizes, in the order of [`Dtype`].
        /// Sizes of ggml's types: `ggml.c`, `type_traits`, and `GGML_QUANT_SIZES` of gguf-py 0.19.0
        /// (which gives Q8_1 as 40 bytes where ggml's struct has 36; it is never stored in files).
        pub const DTYPES: &[DtypeInfo] = &[$(DtypeInfo {
            dtype: Dtype::$variant,
            name: stringify!($variant),
            block_weights: $weights,
            block_bytes: $bytes,
            ggml_id: $id,
            class: Class::$class,
        },)*];
    };
}

dtypes! {
    F32 1 4 Some(0), Float;
    F16 1 2 Some(1), Float;
    BF16 1 2 Some(30), Float;
    F64 1 8 Some(28), Float;
    F8_E4M3 1 1 None, Float;
    F8_E5M2 1 1 None, Float;
    F8_E4M3FNUZ 1 1 None, Float;
    F8_E5M2FNUZ 1 1 None, Float;
    F8_E8M0 1 1 None, Float;
    F6_E2M3 4 3 None, Other;
    F6_E3M2 4 3 None, Other;
    F4 2 1 None, Other;
    C64 1 8 None, Other;
    C128 1 16 None, Other;
    I4 2 1 None, Other;
    U4 2 1 None, Other;
    I2 4 1 None, Other;
    U2 4 1 None, Other;
    I8 1 1 Some(24), Integer;
    I16 1 2 Some(25), Integer;
    I32 1 4 Some(26), Integer;
    I64 1 8 Some(27), Integer;
    U8 1 1 None, Integer;
    U16 1 2 None, Integer;
    U32 1 4 None, Integer;
    U64 1 8 None, Integer;
    BOOL 1 1 None, Integer;
    Q4_0 32 18 Some(2), Quantized;
    Q4_1 32 20 Some(3), Quantized;
    Q5_0 32 22 Some(6), Quantized;
    Q5_1 32 24 Some(7), Quantized;
    Q8_0 32 34 Some(8), Quantized;
    Q8_1 32 36 Some(9), Quantized;
    Q2_K 256 84 Some(10), Quantized;
    Q3_K 256 110 Some(11), Quantized;
    Q4_K 256 144 Some(12), Quantized;
    Q5_K 256 176 Some(13), Quantized;
    Q6_K 256 210 Some(14), Quantized;
    Q8_K 256 292 Some(15), Quantized;
    IQ2_XXS 256 66 Some(16), Quantized;
    IQ2_XS 256 74 Some(17), Quantized;
    IQ3_XXS 256 98 Some(18), Quantized;
    IQ1_S 256 50 Some(19), Quantized;
    IQ4_NL 32 18 Some(20), Quantized;
    IQ3_S 256 110 Some(21), Quantized;
    IQ2_S 256 82 Some(22), Quantized;
    IQ4_XS 256 136 Some(23), Quantized;
    IQ1_M 256 56 Some(29), Quantized;
    TQ1_0 256 54 Some(34), Quantized;
    TQ2_0 256 66 Some(35), Quantized;
    MXFP4 32 17 Some(39), Quantized;
    NVFP4 64 36 Some(40), Quantized;
    Q1_0 128 18 Some(41), Quantized;
    Q2_0 64 18 Some(42), Quantized;
}

impl Dtype {
    /// The type's row in the table.
    pub const fn info(self) -> &'static DtypeInfo {
        &DTYPES[self as usize]
    }

    /// The type's name, as in SQL.
    pub fn name(self) -> &'static str {
        self.info().name
    }

    /// The type of a name, exactly as [`Dtype::name`] writes it.
    pub fn from_name(name: &str) -> Option<Self> {
        DTYPES.iter().find(|row| row.name == name).map(|row| row.dtype)
    }

    /// The type of a number in a GGUF file.
    pub fn from_ggml_id(id: u32) -> Option<Self> {
        DTYPES.iter().find(|row| row.ggml_id == Some(id)).map(|row| row.dtype)
    }

    /// True for blocks of quantized weights.
    pub fn is_quantized(self) -> bool {
        self.info().class == Class::Quantized
    }

    /// Bytes of `weights` weights; `None` when they do not fill whole blocks or do not fit in 64 bits.
    pub fn byte_length(self, weights: u64) -> Option<u64> {
        let row = self.info();
        let block = u64::from(row.block_weights);
        if !weights.is_multiple_of(block) {
            return None;
        }
        (weights / block).checked_mul(u64::from(row.block_bytes))
    }

    /// The bytes of the blocks that hold `count` weights from `from` on, and how many weights of the
    /// first block come before them.
    pub fn blocks_holding(self, from: u64, count: u64) -> (ByteRange, usize) {
        let row = self.info();
        let (block_weights, block_bytes) = (u64::from(row.block_weights), u64::from(row.block_bytes));
        let first = from / block_weights;
        let end = (from + count).div_ceil(block_weights);
        let range = ByteRange::new(first * block_bytes, (end - first) * block_bytes);
        (range, (from - first * block_weights) as usize)
    }

    /// True when [`crate::weights::decode`] turns this type into numbers.
    pub fn is_decodable(self) -> bool {
        match self.info().class {
            Class::Float | Class::Integer | Class::Quantized => true,
            Class::Other => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_stands_in_the_order_of_the_enum() {
        for (position, row) in DTYPES.iter().enumerate() {
            assert_eq!(row.dtype as usize, position, "{}", row.name);
            assert_eq!(Dtype::from_name(row.name), Some(row.dtype));
        }
    }

    #[test]
    fn ggml_ids_are_distinct() {
        let mut ids: Vec<u32> = DTYPES.iter().filter_map(|row| row.ggml_id).collect();
        let count = ids.len();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), count);
    }

    #[test]
    fn weights_lie_in_their_blocks() {
        assert_eq!(Dtype::F32.blocks_holding(3, 5), (ByteRange::new(12, 20), 0));
        assert_eq!(Dtype::Q4_1.blocks_holding(31, 2), (ByteRange::new(0, 40), 31));
        assert_eq!(Dtype::Q4_1.blocks_holding(64, 32), (ByteRange::new(40, 20), 0));
        assert_eq!(Dtype::Q4_K.blocks_holding(256, 0), (ByteRange::new(144, 0), 0));
    }

    #[test]
    fn partial_blocks_and_overflows_have_no_length() {
        assert_eq!(Dtype::Q4_K.byte_length(512), Some(288));
        assert_eq!(Dtype::Q4_K.byte_length(500), None);
        assert_eq!(Dtype::F64.byte_length(u64::MAX), None);
        assert_eq!(Dtype::F4.byte_length(3), None);
    }
}
