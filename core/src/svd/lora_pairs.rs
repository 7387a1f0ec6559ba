//! Which tensors of two models an adapter is made of.

use super::lora::{has_conv1d, is_conv1d, module_of};
use super::sides::layer_sides;
use crate::dtype::Dtype;
use crate::hash::Hash;
use std::collections::HashMap;

/// A tensor of a model.
#[derive(Debug, Clone, Copy)]
pub struct ModelTensor<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its shape.
    pub shape: &'a [u64],
    /// How its weights are stored.
    pub dtype: Dtype,
    /// Its content.
    pub hash: Hash,
}

/// A layer whose difference an adapter can have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LayerPair<'a> {
    /// Its tensor among those of the base model.
    pub base: usize,
    /// Its tensor among those of the tuned model.
    pub tuned: usize,
    /// The layer's name.
    pub module: &'a str,
    /// As [`AdapterModule::is_conv1d`](super::lora::AdapterModule::is_conv1d).
    pub is_conv1d: bool,
}

/// The tensors of a tuned model beside those of its base.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pairing<'a> {
    /// Linear layers and convolutions whose tensors differ.
    pub pairs: Vec<LayerPair<'a>>,
    /// Number of tensors that are the same in both.
    pub equal: usize,
    /// Names of those that cannot be part of an adapter: they differ and are no such layer, or have no
    /// tensor of their name and shape in the base model, or are tied.
    pub others: Vec<&'a str>,
}

/// Finds each tuned tensor's base by its name and shape. Tensors that are one content in both models are
/// tied: with an adapter of each, they no longer would be.
pub fn pair_tensors<'a>(base: &[ModelTensor], tuned: &[ModelTensor<'a>]) -> Pairing<'a> {
    let by_name: HashMap<&str, usize> =
        base.iter().enumerate().map(|(index, tensor)| (tensor.name, index)).collect();
    let base_of = |tuned: &ModelTensor| {
        by_name.get(tuned.name).copied().filter(|index| base[*index].shape == tuned.shape)
    };
    let has_conv1d = has_conv1d(tuned.iter().map(|tensor| (tensor.name, tensor.shape)));
    let mut shared: HashMap<(Hash, Hash), usize> = HashMap::new();
    for tensor in tuned {
        if let Some(index) = base_of(tensor) {
            *shared.entry((base[index].hash, tensor.hash)).or_default() += 1;
        }
    }
    let is_layer = |tensor: &ModelTensor| layer_sides(tensor.dtype, tensor.shape).is_ok();
    let mut pairing = Pairing { pairs: Vec::new(), equal: 0, others: Vec::new() };
    for (index, tensor) in tuned.iter().enumerate() {
        let Some(base_index) = base_of(tensor) else {
            pairing.others.push(tensor.name);
            continue;
        };
        let base = &base[base_index];
        if (base.hash, base.dtype) == (tensor.hash, tensor.dtype) {
            pairing.equal += 1;
            continue;
        }
        let is_tied = shared[&(base.hash, tensor.hash)] > 1;
        match module_of(tensor.name, tensor.shape) {
            Some(module) if is_layer(base) && is_layer(tensor) && !is_tied => {
                let is_conv1d = has_conv1d && is_conv1d(module);
                pairing.pairs.push(LayerPair { base: base_index, tuned: index, module, is_conv1d });
            }
            _ => pairing.others.push(tensor.name),
        }
    }
    pairing
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tensor(name: &'static str, shape: &'static [u64], content: u8) -> ModelTensor<'static> {
        ModelTensor { name, shape, dtype: Dtype::F32, hash: [content; 32] }
    }

    #[test]
    fn tensors_are_paired_by_name_and_shape() {
        let base = [
            tensor("h.0.c_attn.weight", &[4, 12], 1),
            tensor("head.weight", &[8, 4], 2),
            tensor("norm.weight", &[4], 3),
            tensor("same.weight", &[4, 4], 4),
            tensor("grown.weight", &[4, 4], 5),
        ];
        let tuned = [
            tensor("same.weight", &[4, 4], 4),
            tensor("norm.weight", &[4], 13),
            tensor("new.weight", &[4, 4], 16),
            tensor("grown.weight", &[5, 4], 15),
            tensor("head.weight", &[8, 4], 12),
            tensor("h.0.c_attn.weight", &[4, 12], 11),
        ];
        let found = pair_tensors(&base, &tuned);
        assert_eq!(found.equal, 1);
        assert_eq!(found.others, ["norm.weight", "new.weight", "grown.weight"]);
        let pair = |base, tuned, module, is_conv1d| LayerPair { base, tuned, module, is_conv1d };
        assert_eq!(found.pairs, [pair(1, 4, "head", false), pair(0, 5, "h.0.c_attn", true)]);
    }

    #[test]
    fn tied_tensors_and_other_types_are_told_apart() {
        let base =
            [tensor("a.weight", &[4, 4], 1), tensor("b.weight", &[4, 4], 1), tensor("c.weight", &[4, 4], 2)];
        let tuned =
            [tensor("a.weight", &[4, 4], 9), tensor("b.weight", &[4, 4], 9), tensor("c.weight", &[4, 4], 9)];
        let found = pair_tensors(&base, &tuned);
        assert_eq!(found.others, ["a.weight", "b.weight"], "one content in both models");
        assert_eq!(found.pairs.len(), 1, "c was another content in the base");

        let as_dtype = |dtype| [ModelTensor { dtype, ..base[2] }];
        let found = pair_tensors(&base[2..], &as_dtype(Dtype::I32));
        assert_eq!((found.equal, found.others.len()), (0, 1), "integers are not a layer's weights");
        let found = pair_tensors(&base[2..], &as_dtype(Dtype::F32));
        assert_eq!((found.equal, found.others.len()), (1, 0));
    }
}
