//! Which texts among a graph's constants are those of its own saving and restoring: names of files and of tensors, and
//! the description of its objects. They lead to the operations that write and read checkpoints, and nowhere else.
//! Source: TensorFlow `python/training/saver.py`, `python/checkpoint/functional_saver.py`.

use crate::formats::containers::protobuf::{Span, Wire};
use crate::formats::error::{ParseError, too_large};
use std::collections::{HashMap, HashSet};
use std::rc::Rc;

/// Operations that write and read checkpoints, or make the names of their files.
const SAVERS: &[&str] = &[
    "SaveV2",
    "RestoreV2",
    "MergeV2Checkpoints",
    "ShardedFilename",
    "ShardedFilespec",
    "Save",
    "SaveSlices",
    "Restore",
    "RestoreSlice",
];
/// Operations that hand texts on, also in parts or several as one.
const CARRIERS: &[&str] = &["Identity", "StringJoin", "Select", "SelectV2", "Pack", "PlaceholderWithDefault"];
/// Operations that call a function, whose arguments are their inputs.
const CALLS: &[&str] = &["PartitionedCall", "StatefulPartitionedCall"];

/// Longest name that is followed: in a graph with a longer one, all texts are told.
const MAX_NAME_BYTES: u64 = 4 << 10;
/// Most inputs and arguments that are followed: in a graph with more, all texts are told.
const MAX_WAYS: usize = 1 << 20;

/// A constant: the function that it is in, none for the graph itself, and its name.
pub type Key = (String, String);

/// A node or an argument: the number of its scope, and its name.
type Place = (usize, Rc<str>);

/// What a constant or something on the way from it leads to.
#[derive(Default)]
struct Ways {
    /// What hands it on, by what takes it.
    handed: HashMap<Place, Vec<Place>>,
    /// What a saver takes, and what anything else does.
    saved: HashSet<Place>,
    other: HashSet<Place>,
}

/// A node, as far as it is asked here.
struct Node {
    name: Rc<str>,
    op: String,
    inputs: Vec<Rc<str>>,
    function: Rc<str>,
}

/// Those of the texts of the `GraphDef` that is `graph` which lead to savers alone; none where the graph has more ways
/// than are followed.
pub fn of_savers(wire: &mut Wire, graph: Span, texts: &HashSet<Key>) -> Result<HashSet<Key>, ParseError> {
    match followed(wire, graph, texts) {
        Err(error) if error.is_too_large() => Ok(HashSet::new()),
        found => found,
    }
}

fn followed(wire: &mut Wire, graph: Span, texts: &HashSet<Key>) -> Result<HashSet<Key>, ParseError> {
    let scopes = scopes(wire, graph)?;
    let numbers: HashMap<&str, usize> =
        scopes.iter().enumerate().map(|(number, scope)| (&*scope.name, number)).collect();
    let place = |(function, name): &Key| Some((*numbers.get(function.as_str())?, Rc::from(name.as_str())));
    // Whatever hands something on comes first, so that what may hold a text is known for all other nodes.
    let mut takers: HashMap<Place, Vec<Place>> = HashMap::new();
    let mut count = 0;
    each_node(wire, &scopes, |scope, wire, message| {
        let op = op(wire, message)?;
        let (carries, calls) = (CARRIERS.contains(&op.as_str()), CALLS.contains(&op.as_str()));
        if carries || calls {
            let node = node(wire, message, op)?;
            let called = numbers.get(&*node.function).copied();
            count += node.inputs.len();
            check(count)?;
            for (number, input) in node.inputs.into_iter().enumerate() {
                let to = match called {
                    _ if carries => (scope, node.name.clone()),
                    Some(called) => match scopes[called].arguments.get(number) {
                        Some(argument) => (called, argument.clone()),
                        None => continue,
                    },
                    None => continue,
                };
                takers.entry((scope, input)).or_default().push(to);
            }
        }
        Ok(())
    })?;
    let mut ways = Ways::default();
    let mut queue: Vec<Place> = texts.iter().filter_map(place).collect();
    let mut held: HashSet<Place> = queue.iter().cloned().collect();
    while let Some(from) = queue.pop() {
        for to in takers.get(&from).into_iter().flatten() {
            ways.handed.entry(to.clone()).or_default().push(from.clone());
            if held.insert(to.clone()) {
                queue.push(to.clone());
            }
        }
    }
    each_node(wire, &scopes, |scope, wire, message| {
        let op = op(wire, message)?;
        if CARRIERS.contains(&op.as_str()) {
            return Ok(());
        }
        let is_saver = SAVERS.contains(&op.as_str());
        let is_call = CALLS.contains(&op.as_str());
        let node = node(wire, message, op)?;
        let given = numbers.get(&*node.function).map_or(0, |called| scopes[*called].arguments.len());
        for (number, input) in node.inputs.into_iter().enumerate() {
            let taken = (scope, input);
            if (!is_call || number >= given) && held.contains(&taken) {
                if is_saver {
                    ways.saved.insert(taken)
                } else {
                    ways.other.insert(taken)
                };
            }
        }
        Ok(())
    })?;
    for (number, scope) in scopes.iter().enumerate() {
        let returned = scope.returned.iter().map(|name| (number, name.clone()));
        ways.other.extend(returned.filter(|place| held.contains(place)));
    }
    let (saved, other) = (ways.back(&ways.saved), ways.back(&ways.other));
    let leads_to_savers =
        |text: &&Key| place(text).is_some_and(|place| saved.contains(&place) && !other.contains(&place));
    Ok(texts.iter().filter(leads_to_savers).cloned().collect())
}

/// Refuses to follow more ways than [`MAX_WAYS`].
fn check(count: usize) -> Result<(), ParseError> {
    match count > MAX_WAYS {
        true => Err(too_large!("the graph has more than {MAX_WAYS} ways to follow")),
        false => Ok(()),
    }
}

/// A name that may be followed.
fn name(wire: &mut Wire, span: Span) -> Result<Rc<str>, ParseError> {
    if span.len() > MAX_NAME_BYTES {
        return Err(too_large!("a name has {} bytes (at most {MAX_NAME_BYTES})", span.len()));
    }
    wire.text(span, "a name").map(Rc::from)
}

impl Ways {
    /// All that leads to these.
    fn back<'k>(&'k self, from: &'k HashSet<Place>) -> HashSet<&'k Place> {
        let mut found: HashSet<&Place> = from.iter().collect();
        let mut queue: Vec<&Place> = from.iter().collect();
        while let Some(key) = queue.pop() {
            for giver in self.handed.get(key).into_iter().flatten() {
                if found.insert(giver) {
                    queue.push(giver);
                }
            }
        }
        found
    }
}

/// The graph itself, or a function of its library.
struct Scope {
    message: Span,
    /// The field that its nodes are in.
    nodes: u32,
    name: Rc<str>,
    arguments: Vec<Rc<str>>,
    returned: Vec<Rc<str>>,
}

fn scopes(wire: &mut Wire, graph: Span) -> Result<Vec<Scope>, ParseError> {
    let plain = |message: Span, nodes: u32| Scope {
        message,
        nodes,
        name: Rc::default(),
        arguments: Vec::new(),
        returned: Vec::new(),
    };
    let (mut scopes, mut rest) = (vec![plain(graph, 1)], graph);
    while let Some(field) = wire.next(&mut rest)? {
        if field.number != 2 {
            continue;
        }
        let mut library = field.bytes()?;
        while let Some(field) = wire.next(&mut library)? {
            if field.number == 1 {
                let message = field.bytes()?;
                let mut scope = plain(message, 3);
                let mut function = message;
                while let Some(field) = wire.next(&mut function)? {
                    match field.number {
                        1 => signature(wire, field.bytes()?, &mut scope)?,
                        4 => scope.returned.extend(second(wire, field.bytes()?)?),
                        _ => {}
                    }
                    check(scope.arguments.len() + scope.returned.len())?;
                }
                check(scopes.len())?;
                scopes.push(scope);
            }
        }
    }
    Ok(scopes)
}

/// An `OpDef`: a function's name and the names of its arguments.
fn signature(wire: &mut Wire, mut message: Span, scope: &mut Scope) -> Result<(), ParseError> {
    while let Some(field) = wire.next(&mut message)? {
        match field.number {
            1 => scope.name = name(wire, field.bytes()?)?,
            2 => {
                let (mut argument, mut called) = (field.bytes()?, Rc::default());
                while let Some(field) = wire.next(&mut argument)? {
                    if field.number == 1 {
                        called = name(wire, field.bytes()?)?;
                    }
                }
                scope.arguments.push(called);
                check(scope.arguments.len())?;
            }
            _ => {}
        }
    }
    Ok(())
}

/// The node that the value of an entry of `FunctionDef.ret` is an output of.
fn second(wire: &mut Wire, mut entry: Span) -> Result<Option<Rc<str>>, ParseError> {
    let mut node = None;
    while let Some(field) = wire.next(&mut entry)? {
        if field.number == 2 {
            node = of_output(&name(wire, field.bytes()?)?);
        }
    }
    Ok(node)
}

/// The node of an input such as `node`, `node:1` or, in functions, `node:output:0`; none for `^node`, of which nothing
/// is taken.
fn of_output(input: &str) -> Option<Rc<str>> {
    let node = input.split(':').next().unwrap_or_default();
    (!node.starts_with('^')).then(|| Rc::from(node))
}

fn each_node(
    wire: &mut Wire,
    scopes: &[Scope],
    mut each: impl FnMut(usize, &mut Wire, Span) -> Result<(), ParseError>,
) -> Result<(), ParseError> {
    for (number, scope) in scopes.iter().enumerate() {
        let mut rest = scope.message;
        while let Some(field) = wire.next(&mut rest)? {
            if field.number == scope.nodes {
                each(number, wire, field.bytes()?)?;
            }
        }
    }
    Ok(())
}

fn op(wire: &mut Wire, mut node: Span) -> Result<String, ParseError> {
    let mut op = String::new();
    while let Some(field) = wire.next(&mut node)? {
        if field.number == 2 {
            op = wire.text(field.bytes()?, "an operation's name")?;
        }
    }
    Ok(op)
}

/// A `NodeDef`; the function where an attribute `f` names one.
fn node(wire: &mut Wire, mut message: Span, op: String) -> Result<Node, ParseError> {
    let mut node = Node { name: Rc::default(), op, inputs: Vec::new(), function: Rc::default() };
    while let Some(field) = wire.next(&mut message)? {
        match field.number {
            1 => node.name = name(wire, field.bytes()?)?,
            3 => {
                node.inputs.extend(of_output(&name(wire, field.bytes()?)?));
                check(node.inputs.len())?;
            }
            5 if CALLS.contains(&node.op.as_str()) => {
                node.function = called(wire, field.bytes()?)?.unwrap_or(node.function);
            }
            _ => {}
        }
    }
    Ok(node)
}

/// The function's name in an entry of a node's attributes, where that is `f`.
fn called(wire: &mut Wire, mut entry: Span) -> Result<Option<Rc<str>>, ParseError> {
    let (mut key, mut value) = (None, None);
    while let Some(field) = wire.next(&mut entry)? {
        match field.number {
            1 => key = Some(field.bytes()?),
            2 => value = Some(field.bytes()?),
            _ => {}
        }
    }
    let (Some(key), Some(mut value)) = (key, value) else { return Ok(None) };
    if !wire.is(key, "f")? {
        return Ok(None);
    }
    let mut function = None;
    while let Some(field) = wire.next(&mut value)? {
        if field.number == 10 {
            let mut list = field.bytes()?;
            while let Some(field) = wire.next(&mut list)? {
                if field.number == 1 {
                    function = Some(name(wire, field.bytes()?)?);
                }
            }
        }
    }
    Ok(function)
}
