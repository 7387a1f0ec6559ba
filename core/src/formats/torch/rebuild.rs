//! torch's tensors as pickles describe them: calls of its `_rebuild…` functions over storages.
//! Source: `torch/_utils.py` and `torch/serialization.py` of torch 1.13 to 2.8.

use super::arrays::{Array, Content, makes_array};
use super::names::{DTYPES, STORAGE_KINDS, is_untyped};
use crate::dtype::Dtype;
use crate::formats::containers::pickle::{DeferredCall, Global, Object, Pickle, Value};
use crate::formats::support::cast::Cast;
use crate::formats::support::lazy::Sign;
use crate::model::Affine;

/// More axes than torch allows; keeps a hostile shape small.
const MAX_DIMS: usize = 64;
/// Types within types that are looked through.
const MAX_WRAPPERS: usize = 8;

/// A storage that a pickle refers to.
#[derive(Debug, Clone, PartialEq)]
pub struct Storage {
    /// Its name among the file's storages.
    pub key: String,
    /// Bytes of an element.
    pub width: u64,
    /// The type of its elements; none for untyped ones and for types that are not known here.
    pub dtype: Option<Dtype>,
    /// Elements before its first one, where it is a part of the storage named so (legacy files).
    pub first: u64,
    /// Number of elements.
    pub count: u64,
    /// The name of its class.
    pub class: String,
}

/// What a tensor is a view of.
#[derive(Debug, Clone)]
pub enum Data {
    /// The storage of a name.
    Storage(String),
    /// An array within a pickle of the file, with its number of bytes and whether their order is big-endian.
    Array { content: Content, length: u64, big_endian: bool, pickle: usize },
}

/// A tensor as a view of a storage.
#[derive(Debug, Clone)]
pub struct View {
    /// Where its elements are.
    pub data: Data,
    /// How the weights are stored.
    pub dtype: Dtype,
    /// What they are converted to, where that is another type.
    pub cast: Option<Dtype>,
    /// The element of the storage at which the tensor starts.
    pub first: u64,
    /// Extents, outermost first.
    pub shape: Vec<u64>,
    /// Elements between neighbours along each axis.
    pub strides: Vec<u64>,
    /// Scale and zero point of a quantized tensor.
    pub affine: Option<Affine>,
    /// What of its elements has another sign than in the storage.
    pub sign: Option<Sign>,
}

/// What became of a tensor.
pub enum Described {
    /// Its bytes are there.
    View(View),
    /// There is nothing to list, and why.
    Unlisted(String),
}

/// A call of a known function.
#[derive(Clone)]
pub struct Call<'p> {
    /// Module and name of the function.
    pub function: &'p Global,
    /// Its arguments.
    pub arguments: &'p [Value],
    /// What the attributes of the results would be set to, from the outermost type in.
    pub states: Vec<Value>,
}

impl<'p> Call<'p> {
    /// The call that makes an object, seen through torch's wrappers for subclasses of Tensor.
    pub fn from_deferred(pickle: &'p Pickle, call: &DeferredCall) -> Option<Self> {
        let mut function = pickle.global(call.callee)?;
        let mut arguments = pickle.sequence(call.arguments)?;
        let mut states = Vec::new();
        for _ in 0..MAX_WRAPPERS {
            match (function.module.as_str(), function.name.as_str(), arguments) {
                (
                    "torch._tensor",
                    "_rebuild_from_type" | "_rebuild_from_type_v2",
                    [inner, _, inside, state, ..],
                ) => {
                    function = pickle.global(*inner)?;
                    arguments = pickle.sequence(*inside)?;
                    states.push(*state);
                }
                _ => return Some(Self { function, arguments, states }),
            }
        }
        None
    }

    /// The function's name, if it is one of `torch._utils`.
    pub fn rebuilder(&self) -> Option<&'p str> {
        (self.function.module == "torch._utils").then_some(self.function.name.as_str())
    }

    /// True when the result is one tensor over one storage, or over none.
    pub fn makes_tensor(&self) -> bool {
        matches!(
            self.rebuilder(),
            Some(
                "_rebuild_tensor"
                    | "_rebuild_tensor_v2"
                    | "_rebuild_tensor_v3"
                    | "_rebuild_qtensor"
                    | "_rebuild_meta_tensor_no_storage"
                    | "_rebuild_device_tensor_from_numpy"
                    | "_rebuild_xla_tensor"
                    | "_rebuild_device_tensor_from_cpu_tensor"
            )
        )
    }

    /// The tensor that the call makes. The error says what is wrong with its arguments.
    pub fn describe(&self, pickle: &Pickle) -> Result<Described, String> {
        let name = self.rebuilder().unwrap_or_default();
        match name {
            "_rebuild_meta_tensor_no_storage" => {
                return Ok(Described::Unlisted("a meta tensor, which has no data".into()));
            }
            "_rebuild_device_tensor_from_numpy"
            | "_rebuild_xla_tensor"
            | "_rebuild_device_tensor_from_cpu_tensor" => return self.describe_device_tensor(pickle),
            _ => {}
        }
        let [storage, first, shape, strides, rest @ ..] = self.arguments else {
            return Err(format!("{name} has {} arguments", self.arguments.len()));
        };
        let Some(Object::Persistent(id)) = pickle.object(*storage) else {
            return Err(format!("{name} has no storage"));
        };
        let storage = storage_of(pickle, *id)?;
        let count = |value: &Value| match value {
            Value::Int(number) => u64::try_from(*number).map_err(|_| format!("{number} is not an offset")),
            _ => Err("the offset is not a number".to_owned()),
        };
        let first = storage.first.checked_add(count(first)?).ok_or("the offset is too large")?;
        let (shape, strides) = (extents(pickle, *shape)?, extents(pickle, *strides)?);
        if shape.len() != strides.len() || shape.len() > MAX_DIMS {
            return Err(format!("it has {} axes and {} strides", shape.len(), strides.len()));
        }
        let (mut dtype, mut affine) = (storage.dtype, None);
        let mut kind = storage.class.clone();
        let mut bits = Bits::default();
        // What stands behind the strides: whether it wants a gradient, and hooks, which change no value.
        match (name, rest) {
            ("_rebuild_tensor", []) | ("_rebuild_tensor_v2", [_, _]) => {}
            ("_rebuild_tensor_v2", [_, _, metadata]) => bits = Bits::read(pickle, *metadata)?,
            ("_rebuild_tensor_v3", [_, _, given, metadata @ ..]) if metadata.len() <= 1 => {
                if let [metadata] = metadata {
                    bits = Bits::read(pickle, *metadata)?;
                }
                let given = pickle.global(*given).ok_or("its type is none of torch's")?;
                kind.clone_from(&given.name);
                dtype = DTYPES.iter().find(|(name, _)| *name == given.name).and_then(|(_, dtype)| *dtype);
            }
            ("_rebuild_qtensor", [quantizer, _, _]) => affine = affine_of(pickle, *quantizer)?,
            _ => return Err(format!("{name} has {} arguments", self.arguments.len())),
        }
        let Some(dtype) = dtype else {
            return Ok(Described::Unlisted(format!("of the type {kind}, which is not known")));
        };
        let sign = match bits.sign(dtype) {
            Ok(sign) => sign,
            Err(reason) => return Ok(Described::Unlisted(reason)),
        };
        let data = Data::Storage(storage.key);
        Ok(Described::View(View { data, dtype, cast: None, first, shape, strides, affine, sign }))
    }

    /// The tensor of another device, which was written as an array of NumPy's or as a tensor of the processor's:
    /// that, its type, its device, and whether it wants a gradient.
    fn describe_device_tensor(&self, pickle: &Pickle) -> Result<Described, String> {
        let [data, dtype, _device, _gradient] = self.arguments else {
            return Err(format!("{} has {} arguments", self.function.name, self.arguments.len()));
        };
        let made = pickle.deferred_call(*data).ok_or("its data are nothing that is known")?;
        let mut view = match Call::from_deferred(pickle, made).filter(Call::is_plain_tensor) {
            Some(call) => match call.describe(pickle)? {
                Described::View(view) => view,
                unlisted => return Ok(unlisted),
            },
            None if !makes_array(pickle, made) => {
                return Ok(Described::Unlisted(
                    "a copy of what is neither a plain tensor nor an array".into(),
                ));
            }
            None => match Array::read(pickle, made)? {
                Ok(array) => {
                    let Array { content, length, dtype, big_endian, shape, strides } = array;
                    let data = Data::Array { content, length, big_endian, pickle: 0 };
                    View { data, dtype, cast: None, first: 0, shape, strides, affine: None, sign: None }
                }
                Err(name) => return Ok(Described::Unlisted(format!("an array of the type {name}"))),
            },
        };
        let given = pickle.global(*dtype).filter(|dtype| dtype.module == "torch");
        let given = given.ok_or("its type is none of torch's")?;
        let known = DTYPES.iter().find(|(name, _)| *name == given.name).and_then(|(_, dtype)| *dtype);
        let Some(known) = known else {
            return Ok(Described::Unlisted(format!("of the type {}, which is not known", given.name)));
        };
        if known != view.dtype {
            let from = view.dtype;
            if !Cast::is_known(from, known) || view.affine.is_some() {
                let (from, to) = (from.name(), known.name());
                return Ok(Described::Unlisted(format!(
                    "numbers of the type {from} that are to become {to}"
                )));
            }
            view.cast = Some(known);
        }
        Ok(Described::View(view))
    }

    /// True when the result is a tensor over a storage, and is not described by another call.
    fn is_plain_tensor(&self) -> bool {
        self.makes_tensor()
            && !self.function.name.contains("device_tensor")
            && !self.function.name.contains("xla")
    }
}

/// What `torch._utils.get_tensor_metadata` writes of a view whose numbers are not those of its storage.
#[derive(Default)]
struct Bits {
    conj: bool,
    neg: bool,
}

impl Bits {
    /// Reads the last argument of `_rebuild_tensor_v2` and `v3`: a dictionary, or None. What is unknown there may
    /// change values, and is refused.
    fn read(pickle: &Pickle, metadata: Value) -> Result<Self, String> {
        let mut bits = Self::default();
        let pairs = match pickle.object(metadata) {
            Some(Object::Dict(pairs)) => pairs.as_slice(),
            _ if metadata == Value::None => &[],
            _ => return Err("its metadata is not a dictionary".into()),
        };
        for (key, value) in pairs {
            let key = pickle.text(*key).ok_or("its metadata has a key that is not text")?;
            let bit = match key {
                "conj" => &mut bits.conj,
                "neg" => &mut bits.neg,
                _ => return Err(format!("its metadata has \"{key}\", which is not known")),
            };
            let Value::Bool(value) = value else {
                return Err(format!("its metadata \"{key}\" is not true or false"));
            };
            *bit = *value;
        }
        Ok(bits)
    }

    /// What they change in elements of a type. The error says why that cannot be.
    fn sign(&self, dtype: Dtype) -> Result<Option<Sign>, String> {
        let sign = match dtype {
            Dtype::C64 | Dtype::C128 => match (self.conj, self.neg) {
                (false, false) => return Ok(None),
                (true, false) => Sign::Imaginary,
                (false, true) => Sign::Complex,
                // The imaginary part changes twice.
                (true, true) => Sign::Real,
            },
            // The conjugate of a real number is itself.
            _ if !self.neg => return Ok(None),
            Dtype::F64 | Dtype::F32 | Dtype::F16 | Dtype::BF16 => Sign::Float,
            Dtype::I64 | Dtype::I32 | Dtype::I16 | Dtype::I8 | Dtype::U8 => Sign::Integer,
            _ => return Err(format!("a negative view of the type {}", dtype.name())),
        };
        Ok(Some(sign))
    }
}

/// True for the class of a whole module, which stands among the storages: `("module", class, file, source)`.
pub fn is_class(pickle: &Pickle, id: Value) -> bool {
    pickle.sequence(id).is_some_and(|parts| parts.len() == 4 && pickle.text(parts[0]) == Some("module"))
}

/// The storage of a persistent id: `("storage", class, key, device, elements[, (key, offset, elements)])`.
pub fn storage_of(pickle: &Pickle, id: Value) -> Result<Storage, String> {
    let parts = pickle.sequence(id).ok_or("a persistent id is not a tuple")?;
    let [what, class, key, _device, count, rest @ ..] = parts else {
        return Err(format!("a persistent id has {} parts", parts.len()));
    };
    if pickle.text(*what) != Some("storage") {
        return Err("a persistent id is not a storage".into());
    }
    let class = pickle.global(*class).ok_or("a storage has no class")?;
    let kind = class.name.strip_suffix("Storage").filter(|_| class.module.split('.').next() == Some("torch"));
    let kind = kind.ok_or_else(|| format!("{}.{} is not a class of storages", class.module, class.name))?;
    let (dtype, width) = if is_untyped(kind) {
        (None, 1)
    } else {
        let dtype = STORAGE_KINDS.iter().find(|(name, _)| *name == kind);
        let dtype = dtype.ok_or_else(|| format!("{kind}Storage is not a known class of storages"))?.1;
        (dtype, dtype.and_then(|dtype| dtype.byte_length(1)).unwrap_or(1))
    };
    let key = match key {
        Value::Int(key) => key.to_string(),
        key => pickle.text(*key).ok_or("a storage has no name")?.to_owned(),
    };
    let number = |value: &Value| match value {
        Value::Int(number) => u64::try_from(*number).map_err(|_| format!("a storage has {number} elements")),
        _ => Err("a storage's number of elements is none".to_owned()),
    };
    let count = number(count)?;
    let first = match rest {
        [view, ..] if *view != Value::None => {
            let view = pickle.sequence(*view).ok_or("the part of a storage is not a tuple")?;
            number(view.get(1).ok_or("the part of a storage has no offset")?)?
        }
        _ => 0,
    };
    Ok(Storage { key, width, dtype, first, count, class: class.name.clone() })
}

/// A tuple of sizes or strides: torch.Size, a plain tuple, or TorchScript's list of integers.
fn extents(pickle: &Pickle, value: Value) -> Result<Vec<u64>, String> {
    let items = match pickle.deferred_call(value) {
        Some(call) => {
            let arguments = pickle.sequence(call.arguments).unwrap_or_default();
            arguments.first().and_then(|first| pickle.sequence(*first))
        }
        None => pickle.sequence(value),
    };
    let items = items.ok_or("its shape or its strides are not a tuple")?;
    let extent = |item: &Value| match item {
        Value::Int(extent) => {
            u64::try_from(*extent).map_err(|_| format!("its shape or its strides have the negative {extent}"))
        }
        _ => Err("its shape or its strides are not numbers".into()),
    };
    items.iter().take(MAX_DIMS + 1).map(extent).collect()
}

/// Scale and zero point of `(torch.per_tensor_affine, scale, zero_point)`; the other kinds have
/// tensors of them.
fn affine_of(pickle: &Pickle, quantizer: Value) -> Result<Option<Affine>, String> {
    let parts = pickle.sequence(quantizer).ok_or("its quantizer is not a tuple")?;
    let per_tensor =
        |scheme: &Global| matches!(scheme.name.as_str(), "per_tensor_affine" | "per_tensor_symmetric");
    match parts {
        [scheme, scale, zero_point, ..] if pickle.global(*scheme).is_some_and(per_tensor) => {
            let scale = match scale {
                Value::Float(scale) => *scale,
                Value::Int(scale) => *scale as f64,
                _ => return Err("its scale is not a number".into()),
            };
            let zero_point = match zero_point {
                Value::Int(point) => i32::try_from(*point).ok(),
                _ => None,
            };
            let zero_point = zero_point.ok_or("its zero point is not a number of 32 bits")?;
            Ok(Some(Affine { scale, zero_point }))
        }
        _ => Ok(None),
    }
}
