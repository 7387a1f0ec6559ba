//! Finding the tensors in what a pickle builds. A tensor's name is the path of keys, attributes and
//! list positions that lead to it, so in a plain state dict it is the key.
//!
//! Objects may be shared, and may hold themselves. Branches that lead to no tensor are never
//! entered, an object is not entered from within itself, and a container is entered a bounded number
//! of times, so the work cannot explode where the paths do. Attributes of a module that are not in its state
//! dict come last, and are not entered for what has a name already: `torch.nn.LSTM` holds its weights in a list, too.

use super::arrays::makes_array;
use super::keys::{Same, segment};
use super::rebuild::{Call, Data, Described, View, is_class};
use crate::formats::containers::pickle::{DeferredCall, Object, Pickle, Value};
use crate::formats::error::{ParseError, malformed, too_large};
use crate::formats::limits::check_tensor_count;
use std::collections::{HashMap, HashSet, VecDeque};

/// Deepest nesting. Python's own pickler gives up at about 300.
const MAX_DEPTH: usize = 500;
/// How often one container is entered: a model whose layers share their weights names them all.
const MAX_VISITS: u8 = 64;
/// Most parts of containers looked at, counted each time that a container is entered.
const MAX_STEPS: usize = 1 << 23;
/// Longest name, as in GGUF.
const MAX_NAME: usize = 65_535;
/// Most bytes of all names.
const MAX_NAMES: usize = 128 << 20;
/// The attributes in which a torch.nn.Module keeps what is in its state dict.
const INNER: [&str; 3] = ["_parameters", "_buffers", "_modules"];
/// What a tensor is called that no key leads to.
const NAMELESS: &str = "tensor";

/// The tensors of one file.
#[derive(Default)]
pub struct Found {
    /// Names and views, in the order of the pickle.
    pub tensors: Vec<(String, View)>,
    /// Tensors without bytes or of an unknown type: name and reason.
    pub unlisted: Vec<(String, String)>,
    names: Names,
}

/// Names that are taken.
#[derive(Default)]
struct Names {
    taken: HashSet<String>,
    /// The next number for a name that is there several times.
    next: HashMap<String, u64>,
    bytes: usize,
}

impl Names {
    /// The path itself, or with the first free number behind it.
    fn unique(&mut self, path: &str) -> Result<String, ParseError> {
        let path = if path.is_empty() { NAMELESS } else { path };
        if path.len() > MAX_NAME {
            return Err(too_large!("a tensor's name has {} bytes (at most {MAX_NAME})", path.len()));
        }
        let mut name = path.to_owned();
        if self.taken.contains(&name) {
            let next = self.next.entry(name).or_insert(2);
            loop {
                name = format!("{path}#{next}");
                *next += 1;
                if !self.taken.contains(&name) {
                    break;
                }
            }
        }
        self.bytes += name.len();
        if self.bytes > MAX_NAMES {
            return Err(too_large!("the tensors' names have more than {MAX_NAMES} bytes"));
        }
        self.taken.insert(name.clone());
        Ok(name)
    }
}

/// What to enter next: an object's remaining children, and how long its path is.
struct Frame {
    object: u32,
    children: std::vec::IntoIter<Child>,
    path: usize,
}

/// A part of an object; without a name where the path goes through it unseen.
type Child = (Option<String>, Value);

/// What to enter last, with the paths.
#[derive(Default)]
struct Later {
    attributes: VecDeque<(String, Value)>,
    bytes: usize,
}

impl Later {
    fn add(&mut self, path: &str, (segment, value): Child) -> Result<(), ParseError> {
        let mut path = path.to_owned();
        add_segment(&mut path, segment);
        self.bytes += path.len();
        if self.bytes > MAX_NAMES {
            return Err(too_large!("the names of attributes have more than {MAX_NAMES} bytes"));
        }
        self.attributes.push_back((path, value));
        Ok(())
    }
}

fn add_segment(path: &mut String, segment: Option<String>) {
    if let Some(segment) = segment {
        if !path.is_empty() {
            path.push('.');
        }
        path.push_str(&segment);
    }
}

impl Found {
    /// Adds the tensors of a pickle; `prefix` starts their names.
    pub fn add(&mut self, pickle: &Pickle, prefix: &str) -> Result<(), ParseError> {
        let objects = pickle.objects();
        let parts = Parts { pickle, leads: leads_to_tensors(pickle) };
        let mut visits = vec![0u8; objects.len()];
        let mut inside = vec![false; objects.len()];
        let mut path = prefix.to_owned();
        let from = |value: Value, path: usize| Frame {
            object: u32::MAX,
            children: vec![(None, value)].into_iter(),
            path,
        };
        let mut stack = vec![from(pickle.root(), path.len())];
        let (mut later, mut is_later) = (Later::default(), false);
        let mut listed = vec![false; objects.len()];
        let mut steps = 0;
        loop {
            let Some(frame) = stack.last_mut() else {
                let Some((of, value)) = later.attributes.pop_front() else {
                    break;
                };
                is_later = true;
                path = of;
                stack.push(from(value, path.len()));
                continue;
            };
            path.truncate(frame.path);
            let Some((segment, value)) = frame.children.next() else {
                if let Some(done) = inside.get_mut(frame.object as usize) {
                    *done = false;
                }
                stack.pop();
                continue;
            };
            let Value::Object(number) = value else {
                continue;
            };
            let index = number as usize;
            if !parts.leads[index] || inside[index] || is_later && (visits[index] > 0 || listed[index]) {
                continue;
            }
            steps += 1 + parts.width(&objects[index]);
            if steps > MAX_STEPS {
                return Err(too_large!("more than {MAX_STEPS} paths were tried to find the tensors"));
            }
            add_segment(&mut path, segment);
            if let Some(call) = tensor_call(pickle, &objects[index]) {
                self.tensor(pickle, &call, &path)?;
                listed[index] = true;
            } else if let Some(reason) = beside_tensors(pickle, &objects[index]) {
                self.leave_out(&path, reason)?;
                listed[index] = true;
                continue;
            } else if visits[index] >= MAX_VISITS {
                if visits[index] == MAX_VISITS {
                    visits[index] += 1;
                    let reason =
                        format!("in more than {MAX_VISITS} places, of which only the first are listed");
                    self.leave_out(&path, &reason)?;
                }
                continue;
            } else {
                visits[index] += 1;
            }
            if stack.len() > MAX_DEPTH {
                return Err(too_large!("a tensor is nested deeper than {MAX_DEPTH} levels: \"{path}…\""));
            }
            inside[index] = true;
            for attribute in parts.beside(&objects[index]) {
                later.add(&path, attribute)?;
            }
            let children = parts.children(&objects[index]).into_iter();
            stack.push(Frame { object: number, children, path: path.len() });
        }
        Ok(())
    }

    fn leave_out(&mut self, path: &str, reason: &str) -> Result<(), ParseError> {
        let name = self.names.unique(path)?;
        self.unlisted.push((name, reason.into()));
        check_tensor_count((self.tensors.len() + self.unlisted.len()) as u64)
    }

    /// Says in which folder of an archive the storages are, and in which of its pickles the arrays, of all tensors
    /// from the `first` on.
    pub fn lie_in(&mut self, folder: &str, pickle_no: usize, first: usize) {
        for (_, view) in &mut self.tensors[first..] {
            match &mut view.data {
                Data::Storage(key) => key.insert_str(0, folder),
                Data::Array { pickle, .. } => *pickle = pickle_no,
            }
        }
    }

    fn tensor(&mut self, pickle: &Pickle, call: &Call, path: &str) -> Result<(), ParseError> {
        let name = self.names.unique(path)?;
        match call.describe(pickle) {
            Ok(Described::View(view)) => self.tensors.push((name, view)),
            Ok(Described::Unlisted(reason)) => self.unlisted.push((name, reason)),
            Err(reason) => return Err(malformed!("tensor \"{name}\" cannot be rebuilt: {reason}")),
        }
        check_tensor_count((self.tensors.len() + self.unlisted.len()) as u64)
    }
}

fn tensor_call<'p>(pickle: &'p Pickle, object: &Object) -> Option<Call<'p>> {
    match object {
        Object::Deferred(call) => Call::from_deferred(pickle, call).filter(Call::makes_tensor),
        _ => None,
    }
}

/// Why something that holds weights is not listed, where it is no tensor.
fn beside_tensors(pickle: &Pickle, object: &Object) -> Option<&'static str> {
    match object {
        Object::Deferred(call) if makes_array(pickle, call) => {
            Some("an array of NumPy's, which torch does not take for a tensor")
        }
        Object::Deferred(call) if is_uninitialized(pickle, call) => {
            Some("a parameter that nothing was put into yet")
        }
        Object::Persistent(id) if !is_class(pickle, *id) => Some("a storage that stands outside of a tensor"),
        _ => None,
    }
}

/// True for the parameters and buffers of torch's lazy modules, which have no shape before their first use.
fn is_uninitialized(pickle: &Pickle, call: &DeferredCall) -> bool {
    pickle.global(call.callee).is_some_and(|class| {
        class.module == "torch.nn.parameter"
            && matches!(class.name.as_str(), "UninitializedParameter" | "UninitializedBuffer")
    })
}

/// For every object, whether a tensor can be reached from it: found backwards from the tensors, so
/// the work is in proportion to the objects, however they are shared.
fn leads_to_tensors(pickle: &Pickle) -> Vec<bool> {
    let objects = pickle.objects();
    // The holders of each object, one list behind the other.
    let mut ends = vec![0u32; objects.len() + 1];
    for object in objects {
        each_part(object, |part| ends[part as usize + 1] += 1);
    }
    for i in 1..ends.len() {
        ends[i] += ends[i - 1];
    }
    let mut holders = vec![0u32; ends.last().copied().unwrap_or(0) as usize];
    let mut next = ends.clone();
    for (holder, object) in objects.iter().enumerate() {
        each_part(object, |part| {
            let slot = &mut next[part as usize];
            holders[*slot as usize] = holder as u32;
            *slot += 1;
        });
    }
    let mut leads = vec![false; objects.len()];
    let is_tensor = |index: &u32| {
        let object = &objects[*index as usize];
        tensor_call(pickle, object).is_some() || beside_tensors(pickle, object).is_some()
    };
    let mut queue: Vec<u32> = (0..objects.len() as u32).filter(is_tensor).collect();
    while let Some(index) = queue.pop() {
        let index = index as usize;
        if !std::mem::replace(&mut leads[index], true) {
            queue.extend(&holders[ends[index] as usize..ends[index + 1] as usize]);
        }
    }
    leads
}

/// The numbers of the objects that an object holds.
fn each_part(object: &Object, mut take: impl FnMut(u32)) {
    let mut value = |value: &Value| {
        if let Value::Object(number) = value {
            take(*number);
        }
    };
    match object {
        Object::Tuple(items) => items.iter().for_each(value),
        Object::List(items) => items.iter().for_each(value),
        Object::Dict(pairs) => pairs.iter().for_each(|(_, held)| value(held)),
        Object::Deferred(call) => {
            value(&call.arguments);
            value(&call.state);
            call.items.iter().for_each(&mut value);
            call.pairs.iter().for_each(|(_, held)| value(held));
        }
        Object::Bytes(_) | Object::LongText(_) | Object::Long(_) | Object::Persistent(_) => {}
    }
}

/// The parts of objects that lead to tensors.
struct Parts<'p> {
    pickle: &'p Pickle,
    /// For every object, whether a tensor can be reached from it.
    leads: Vec<bool>,
}

impl Parts<'_> {
    /// The parts of an object, with the names by which they are reached.
    fn children(&self, object: &Object) -> Vec<Child> {
        match object {
            Object::Tuple(items) => self.numbered(items),
            Object::List(items) => self.numbered(items),
            Object::Dict(pairs) => self.keyed(pairs),
            Object::Deferred(call) => self.of_deferred(call),
            Object::Bytes(_) | Object::LongText(_) | Object::Long(_) | Object::Persistent(_) => Vec::new(),
        }
    }

    /// About how many parts [`Self::of`] looks at.
    fn width(&self, object: &Object) -> usize {
        let flat = |value: Value| match self.pickle.object(value) {
            Some(Object::Tuple(items)) => items.len(),
            Some(Object::List(items)) => items.len(),
            Some(Object::Dict(pairs)) => pairs.len(),
            _ => 0,
        };
        match object {
            Object::Tuple(items) => items.len(),
            Object::List(items) => items.len(),
            Object::Dict(pairs) => pairs.len(),
            Object::Deferred(call) => {
                call.items.len() + call.pairs.len() + flat(call.arguments) + flat(call.state)
            }
            Object::Bytes(_) | Object::LongText(_) | Object::Long(_) | Object::Persistent(_) => 0,
        }
    }

    fn leads(&self, value: Value) -> bool {
        matches!(value, Value::Object(number) if self.leads[number as usize])
    }

    fn numbered(&self, items: &[Value]) -> Vec<Child> {
        let leading = items.iter().enumerate().filter(|(_, value)| self.leads(**value));
        leading.map(|(index, value)| (Some(index.to_string()), *value)).collect()
    }

    fn named(&self, names: &[&str], values: &[Value]) -> Vec<Child> {
        names.iter().zip(values).map(|(name, value)| (Some((*name).to_owned()), *value)).collect()
    }

    /// The pairs of a dictionary: the first place of equal keys, and the last value.
    fn keyed(&self, pairs: &[(Value, Value)]) -> Vec<Child> {
        let (mut places, mut last) = (HashMap::new(), Vec::<(Value, Value)>::new());
        for (key, value) in pairs {
            let same = Same::of(self.pickle, *key);
            let place = same.map(|same| *places.entry(same).or_insert(last.len()));
            match place.and_then(|place| last.get_mut(place)) {
                Some(pair) => pair.1 = *value,
                None => last.push((*key, *value)),
            }
        }
        let leading = last.into_iter().filter(|(_, value)| self.leads(*value));
        leading.map(|(key, value)| (Some(segment(self.pickle, key)), value)).collect()
    }

    /// The parts of what a call would make.
    fn of_deferred(&self, call: &DeferredCall) -> Vec<Child> {
        let pickle = self.pickle;
        let mut children = match Call::from_deferred(pickle, call) {
            Some(call) => {
                let mut children = self.of_call(&call).unwrap_or_else(|| self.numbered(call.arguments));
                children.extend(call.states.iter().flat_map(|state| self.attributes(*state)));
                children
            }
            None => vec![(None, call.arguments)],
        };
        children.extend(self.numbered(&call.items));
        children.extend(self.keyed(&call.pairs));
        children.extend(self.attributes(call.state));
        children
    }

    /// The parts of what a known function would return; none for unknown functions.
    fn of_call(&self, call: &Call) -> Option<Vec<Child>> {
        let pickle = self.pickle;
        let argument = |index: usize| call.arguments.get(index).copied().unwrap_or(Value::None);
        let sequence = |value: Value| pickle.sequence(value).unwrap_or_default();
        Some(match (call.function.module.as_str(), call.function.name.as_str()) {
            ("torch._utils", "_rebuild_qtensor") => {
                // Where each channel has its own: the scheme, the scales, the zero points, the axis.
                let quantizer = sequence(argument(4));
                self.named(&["scales", "zero_points"], quantizer.get(1..).unwrap_or_default())
            }
            ("torch._utils", _) if call.makes_tensor() => Vec::new(),
            ("torch._utils", "_rebuild_parameter_with_state") => {
                let mut children = vec![(None, argument(0))];
                children.extend(self.attributes(argument(3)));
                children
            }
            ("torch._utils", "_rebuild_sparse_tensor" | "_rebuild_sparse_csr_tensor") => {
                self.named(sparse_names(pickle, argument(0)), sequence(argument(1)))
            }
            ("torch._utils", "_rebuild_nested_tensor") => {
                self.named(&["values", "sizes", "strides", "offsets"], call.arguments)
            }
            ("torch._utils", "_rebuild_parameter")
            | ("torch.nn.parameter", "Parameter" | "Buffer")
            | ("torch.jit._pickle", _) => vec![(None, argument(0))],
            ("collections", "OrderedDict") => {
                // Python 2 wrote the pairs as an argument.
                let pairs = sequence(argument(0)).iter().filter_map(|pair| match sequence(*pair) {
                    [key, value] => Some((*key, *value)),
                    _ => None,
                });
                self.keyed(&pairs.collect::<Vec<_>>())
            }
            _ => return None,
        })
    }

    /// The attributes that a state sets. The dictionaries in which a torch.nn.Module keeps its
    /// parameters, buffers and modules leave no mark on the path, so the names are those of its state
    /// dict; its other attributes are [`Self::beside`] it.
    fn attributes(&self, state: Value) -> Vec<Child> {
        match self.pickle.object(state) {
            Some(Object::Dict(pairs)) if self.is_module(pairs) => {
                let inner = self.keyed(pairs).into_iter().filter(is_inner);
                inner.map(|(_, value)| (None, value)).collect()
            }
            Some(Object::Dict(pairs)) => self.keyed(pairs),
            // Attributes and slots.
            Some(Object::Tuple(parts))
                if parts.len() == 2 && parts.iter().all(|part| self.is_state(*part)) =>
            {
                parts.iter().flat_map(|part| self.attributes(*part)).collect()
            }
            Some(_) => vec![(None, state)],
            None => Vec::new(),
        }
    }

    /// The attributes of a module that are not in its state dict.
    fn beside(&self, object: &Object) -> Vec<Child> {
        let Object::Deferred(call) = object else { return Vec::new() };
        let states = Call::from_deferred(self.pickle, call).map(|call| call.states).unwrap_or_default();
        let mut found = Vec::new();
        for state in states.into_iter().chain([call.state]) {
            let parts: &[Value] = match self.pickle.object(state) {
                Some(Object::Tuple(parts)) if parts.len() == 2 => parts,
                _ => &[state],
            };
            let dictionaries = parts.iter().filter_map(|part| match self.pickle.object(*part) {
                Some(Object::Dict(pairs)) if self.is_module(pairs) => Some(pairs),
                _ => None,
            });
            found.extend(dictionaries.flat_map(|pairs| self.keyed(pairs)).filter(|child| !is_inner(child)));
        }
        found
    }

    fn is_module(&self, attributes: &[(Value, Value)]) -> bool {
        let has = |name: &str| attributes.iter().any(|(key, _)| self.pickle.text(*key) == Some(name));
        INNER.into_iter().all(has)
    }

    /// True for a dictionary, and for what is not an object at all.
    fn is_state(&self, value: Value) -> bool {
        matches!(self.pickle.object(value), Some(Object::Dict(_)) | None)
    }
}

fn is_inner((segment, _): &Child) -> bool {
    segment.as_deref().is_some_and(|segment| INNER.contains(&segment))
}

/// The names of a sparse tensor's parts. Its layout is a global, or a call of
/// `torch.serialization._get_layout` with its name.
fn sparse_names(pickle: &Pickle, layout: Value) -> &'static [&'static str] {
    let name = match pickle.deferred_call(layout) {
        Some(call) => pickle.sequence(call.arguments).and_then(|arguments| pickle.text(*arguments.first()?)),
        None => pickle.global(layout).map(|global| global.name.as_str()),
    };
    match name.unwrap_or_default().trim_start_matches("torch.") {
        "sparse_coo" => &["indices", "values"],
        "sparse_csc" | "sparse_bsc" => &["ccol_indices", "row_indices", "values"],
        _ => &["crow_indices", "col_indices", "values"],
    }
}
