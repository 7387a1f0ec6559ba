//! Which texts among a graph's constants are those of its own saving and restoring: names of files and of tensors, and
//! the description of its objects. They lead to the operations that write and read checkpoints, and nowhere else.
//! Source: TensorFlow `python/training/saver.py`, `python/checkpoint/functional_saver.py`.

use crate::formats::containers::protobuf::{Span, Wire};
use crate::formats::error::ParseError;
use std::collections::{HashMap, HashSet};

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

/// A node or an argument: the function that it is in, none for the graph itself, and its name.
pub type Key = (String, String);

/// What a constant or something on the way from it leads to.
#[derive(Default)]
struct Ways {
    /// What hands it on, by what takes it.
    handed: HashMap<Key, Vec<Key>>,
    /// What a saver takes, and what anything else does.
    saved: HashSet<Key>,
    other: HashSet<Key>,
}

/// A node, as far as it is asked here.
struct Node {
    name: String,
    op: String,
    inputs: Vec<String>,
    function: String,
}

/// Those of the texts of the `GraphDef` that is `graph` which lead to savers alone.
pub fn of_savers(wire: &mut Wire, graph: Span, texts: &HashSet<Key>) -> Result<HashSet<Key>, ParseError> {
    let scopes = scopes(wire, graph)?;
    let arguments: HashMap<&str, &[String]> =
        scopes.iter().map(|scope| (scope.name.as_str(), scope.arguments.as_slice())).collect();
    // Whatever hands something on comes first, so that what may hold a text is known for all other nodes.
    let mut takers: HashMap<Key, Vec<Key>> = HashMap::new();
    each_node(wire, &scopes, |scope, wire, message| {
        let op = op(wire, message)?;
        let (carries, calls) = (CARRIERS.contains(&op.as_str()), CALLS.contains(&op.as_str()));
        if carries || calls {
            let node = node(wire, message, op)?;
            let given = arguments.get(node.function.as_str()).copied().unwrap_or_default();
            for (number, input) in node.inputs.into_iter().enumerate() {
                let to = match (carries, given.get(number)) {
                    (true, _) => (scope.name.clone(), node.name.clone()),
                    (false, Some(argument)) => (node.function.clone(), argument.clone()),
                    (false, None) => continue,
                };
                takers.entry((scope.name.clone(), input)).or_default().push(to);
            }
        }
        Ok(())
    })?;
    let mut ways = Ways::default();
    let mut held: HashSet<Key> = texts.clone();
    let mut queue: Vec<Key> = texts.iter().cloned().collect();
    while let Some(key) = queue.pop() {
        for to in takers.get(&key).into_iter().flatten() {
            ways.handed.entry(to.clone()).or_default().push(key.clone());
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
        let given = arguments.get(node.function.as_str()).map_or(0, |given| given.len());
        for (number, input) in node.inputs.into_iter().enumerate() {
            let key = (scope.name.clone(), input);
            if (!is_call || number >= given) && held.contains(&key) {
                if is_saver {
                    ways.saved.insert(key)
                } else {
                    ways.other.insert(key)
                };
            }
        }
        Ok(())
    })?;
    for scope in &scopes {
        let returned = scope.returned.iter().map(|name| (scope.name.clone(), name.clone()));
        ways.other.extend(returned.filter(|key| held.contains(key)));
    }
    let (saved, other) = (ways.back(&ways.saved), ways.back(&ways.other));
    Ok(texts.iter().filter(|text| saved.contains(text) && !other.contains(text)).cloned().collect())
}

impl Ways {
    /// All that leads to these.
    fn back<'k>(&'k self, from: &'k HashSet<Key>) -> HashSet<&'k Key> {
        let mut found: HashSet<&Key> = from.iter().collect();
        let mut queue: Vec<&Key> = from.iter().collect();
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
    name: String,
    arguments: Vec<String>,
    returned: Vec<String>,
}

fn scopes(wire: &mut Wire, graph: Span) -> Result<Vec<Scope>, ParseError> {
    let plain = |message: Span, nodes: u32| Scope {
        message,
        nodes,
        name: String::new(),
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
                }
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
            1 => scope.name = wire.text(field.bytes()?, "a function's name")?,
            2 => {
                let (mut argument, mut name) = (field.bytes()?, String::new());
                while let Some(field) = wire.next(&mut argument)? {
                    if field.number == 1 {
                        name = wire.text(field.bytes()?, "an argument's name")?;
                    }
                }
                scope.arguments.push(name);
            }
            _ => {}
        }
    }
    Ok(())
}

/// The node that the value of an entry of `FunctionDef.ret` is an output of.
fn second(wire: &mut Wire, mut entry: Span) -> Result<Option<String>, ParseError> {
    let mut node = None;
    while let Some(field) = wire.next(&mut entry)? {
        if field.number == 2 {
            node = of_output(&wire.text(field.bytes()?, "a returned value")?);
        }
    }
    Ok(node)
}

/// The node of an input such as `node`, `node:1` or, in functions, `node:output:0`; none for `^node`, of which nothing
/// is taken.
fn of_output(input: &str) -> Option<String> {
    let node = input.split(':').next().unwrap_or_default();
    (!node.starts_with('^')).then(|| node.to_owned())
}

fn each_node(
    wire: &mut Wire,
    scopes: &[Scope],
    mut each: impl FnMut(&Scope, &mut Wire, Span) -> Result<(), ParseError>,
) -> Result<(), ParseError> {
    for scope in scopes {
        let mut rest = scope.message;
        while let Some(field) = wire.next(&mut rest)? {
            if field.number == scope.nodes {
                each(scope, wire, field.bytes()?)?;
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
    let mut node = Node { name: String::new(), op, inputs: Vec::new(), function: String::new() };
    while let Some(field) = wire.next(&mut message)? {
        match field.number {
            1 => node.name = wire.text(field.bytes()?, "a node's name")?,
            3 => node.inputs.extend(of_output(&wire.text(field.bytes()?, "an input")?)),
            5 if CALLS.contains(&node.op.as_str()) => {
                node.function = called(wire, field.bytes()?)?.unwrap_or(node.function);
            }
            _ => {}
        }
    }
    Ok(node)
}

/// The function's name in an entry of a node's attributes, where that is `f`.
fn called(wire: &mut Wire, mut entry: Span) -> Result<Option<String>, ParseError> {
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
    let mut name = None;
    while let Some(field) = wire.next(&mut value)? {
        if field.number == 10 {
            let mut function = field.bytes()?;
            while let Some(field) = wire.next(&mut function)? {
                if field.number == 1 {
                    name = Some(wire.text(field.bytes()?, "a function's name")?);
                }
            }
        }
    }
    Ok(name)
}
