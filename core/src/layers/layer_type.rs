//! The kinds of layers.

macro_rules! layer_types {
    ($($variant:ident)*) => {
        /// The kinds of layers (SQL enum `layer_type`).
        #[allow(missing_docs)]
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum LayerType { $($variant,)* }

        impl LayerType {
            /// Every kind, in the order of the SQL enum.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// The name in SQL.
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => stringify!($variant),)* }
            }
        }
    };
}

layer_types! {
    Embedding PositionEmbedding TimeEmbedding Attention CrossAttention FeedForward Dense
    Convolution Normalization BatchNorm Recurrent StateSpace Router Expert Adapter
    RotaryEmbedding Pooling Output UNetDown UNetMid UNetUp VAE TextEncoder Unknown
}
