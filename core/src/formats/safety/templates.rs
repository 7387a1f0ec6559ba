//! Chat templates in Jinja. Who renders one without a sandbox, or in one with a hole, runs what it says: attributes
//! with underscores lead from any value to Python's internals (CVE-2024-34359, CVE-2025-27516).
//! Source: Jinja's "Template Designer Documentation" and "Sandbox".

use super::limits::MAX_TEMPLATE_BYTES;
use super::report::{Kind, Verdict};
use super::state::Walk;
use crate::source::{Source, SourceError};

/// Names that templates of models never use, and that lead to Python's internals or to files.
const DANGEROUS_WORDS: &[&str] = &[
    "__",
    "lipsum",
    "cycler",
    "joiner",
    "get_flashed_messages",
    "url_for",
    "func_globals",
    "gi_frame",
    "gi_code",
    "cr_frame",
    "tb_frame",
    "f_globals",
    "f_builtins",
    "co_code",
    "mro",
    "subclasses",
    "popen",
    "environ",
];
/// Functions and modules of Python that run code or reach files: a template has them only where a program gives them.
const DANGEROUS_CALLS: &[&str] = &[
    "os",
    "sys",
    "subprocess",
    "builtins",
    "importlib",
    "eval",
    "exec",
    "compile",
    "open",
    "system",
    "getattr",
    "setattr",
    "globals",
    "locals",
    "vars",
    "import_module",
    "import_string",
];
/// Attributes through which values lead to Python's internals.
const INTERNAL_NAMES: &[&str] = &[
    "__class__",
    "__base__",
    "__bases__",
    "__mro__",
    "__subclasses__",
    "__globals__",
    "__builtins__",
    "__import__",
    "__init__",
    "__dict__",
    "__getattribute__",
    "__getattr__",
    "__getitem__",
    "__self__",
    "__func__",
    "__code__",
    "__closure__",
    "__module__",
    "__reduce__",
    "__reduce_ex__",
    "__loader__",
    "__spec__",
    "__wrapped__",
];
/// What builds text from numbers, so that no word shows.
const DISGUISES: &[&str] = &["\\x5f", "\\u005f", "\\u{5f}", "\\137", "\\N{", "%c", "fromhex"];
/// Statements that read further templates.
const LOADS: &[&str] = &["include", "import", "extends", "from"];

impl Walk<'_> {
    /// A file that is a template.
    pub(super) fn template_file(&mut self, source: &dyn Source, place: &str) -> Result<(), SourceError> {
        let text = self.text(source, place)?;
        self.template(&text, place);
        Ok(())
    }

    /// Examines a template.
    pub(super) fn template(&mut self, text: &str, place: &str) {
        self.findings.examined.templates += 1;
        if text.len() > MAX_TEMPLATE_BYTES {
            self.limit(place, &format!("a template of {} bytes (at most {MAX_TEMPLATE_BYTES})", text.len()));
            return;
        }
        (self.tick)();
        for code in code_of(text) {
            for (verdict, what, why) in examine(code) {
                self.findings.add(verdict, Kind::Template, place, &what, why);
            }
        }
    }
}

/// The code of a template: what stands between its braces.
fn code_of(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        loop {
            // One look for both: each by itself would go through all that is left, again and again.
            let mut pairs = rest.as_bytes().windows(2);
            let start = pairs.position(|pair| pair == b"{{" || pair == b"{%")?;
            let end_mark = if rest[start..].starts_with("{{") { "}}" } else { "%}" };
            let inner = &rest[start + 2..];
            let end = end_of(inner, end_mark);
            rest = &inner[end..];
            if end > 0 {
                return Some(&inner[..end]);
            }
            rest = rest.get(2..).unwrap_or_default();
        }
    })
}

/// Where code ends: at its mark outside of texts; at the last mark, or the end, where a text does not end.
fn end_of(inner: &str, mark: &str) -> usize {
    let (mut quote, mut escaped) = (None, false);
    for (position, c) in inner.char_indices() {
        match quote {
            Some(_) if escaped => escaped = false,
            Some(_) if c == '\\' => escaped = true,
            Some(open) if c == open => quote = None,
            Some(_) => {}
            None if c == '\'' || c == '"' => quote = Some(c),
            None if inner[position..].starts_with(mark) => return position,
            None => {}
        }
    }
    inner.len()
}

/// The texts in quotes, and the code without them.
fn split(code: &str) -> (String, Vec<&str>) {
    let (mut bare, mut texts) = (String::new(), Vec::new());
    let (mut open, mut escaped) = (None, false);
    for (position, c) in code.char_indices() {
        match open {
            Some(_) if escaped => escaped = false,
            Some(_) if c == '\\' => escaped = true,
            Some((quote, start)) if c == quote => {
                texts.push(&code[start..position]);
                open = None;
                bare.push(quote);
            }
            Some(_) => {}
            None => {
                if c == '\'' || c == '"' {
                    open = Some((c, position + 1));
                }
                bare.push(c);
            }
        }
    }
    if let Some((_, start)) = open {
        texts.push(&code[start..]);
    }
    (bare, texts)
}

fn examine(code: &str) -> Vec<(Verdict, String, &'static str)> {
    let (bare, texts) = split(code);
    let mut found = Vec::new();
    let words = |text: &str| {
        text.split(|c: char| !c.is_alphanumeric() && c != '_').map(str::to_owned).collect::<Vec<_>>()
    };
    let code_words = words(&bare);
    for word in DANGEROUS_WORDS {
        let is_there = match *word {
            "__" => code_words.iter().any(|known| known.contains("__")),
            word => code_words.iter().any(|known| known == word),
        };
        if is_there {
            let why = "it reaches out of the template to Python's internals (CVE-2024-34359)";
            found.push((Verdict::Dangerous, format!("the template uses {word}"), why));
        }
    }
    // Functions of Python that no template is given, called or led through.
    for name in DANGEROUS_CALLS {
        if is_used(&bare, name) {
            let why = "it calls out of the template, to functions of Python (CVE-2024-34359)";
            found.push((Verdict::Dangerous, format!("the template calls {name}"), why));
        }
    }
    // An attribute's name as a text: x['__class__'], x|attr('__class__'), x|map(attribute='a.__class__'),
    // '{0.__class__}'.format(x).
    let is_subscript = bare.contains("['") || bare.contains("[\"");
    let has_attr = code_words.iter().any(|word| word == "attr");
    let is_computed = bare.contains(['(', '[', '|']);
    let internal = texts.iter().find_map(|text| internal_name(text, is_subscript || has_attr || is_computed));
    if let Some(name) = internal {
        let why = "it reaches out of the template to Python's internals (CVE-2024-34359)";
        found.push((Verdict::Dangerous, format!("the template names \"{name}\""), why));
    }
    let formats = code_words.iter().any(|word| word == "format" || word == "format_map");
    if formats && texts.iter().any(|text| has_field_of_attribute(text)) {
        let why = "a format that reads attributes, also where the sandbox does not look (CVE-2024-56326)";
        found.push((Verdict::Suspicious, "the template formats attributes".into(), why));
    }
    if has_attr && bare.contains('|') {
        let why = "it reads attributes by names that are put together (CVE-2025-27516)";
        found.push((Verdict::Dangerous, "the template uses the filter attr".into(), why));
    }
    for disguise in DISGUISES {
        if texts.iter().any(|text| text.to_ascii_lowercase().contains(&disguise.to_ascii_lowercase())) {
            let why = "it hides the characters of a text";
            found.push((Verdict::Suspicious, format!("the template writes {disguise}"), why));
        }
    }
    let has_part = texts.iter().any(|text| is_part_of_name(text));
    let puts_together = bare.contains(['~', '+', '*', '%'])
        || ["join", "replace", "format", "reverse"]
            .iter()
            .any(|filter| code_words.iter().any(|word| word == filter));
    if has_part && (is_subscript || puts_together) {
        let why = "it puts names with underscores together";
        found.push((Verdict::Suspicious, "the template has a text of underscores".into(), why));
    }
    let statement = bare.trim_start_matches(['-', '+']).split_whitespace().next().unwrap_or_default();
    if LOADS.contains(&statement) {
        let why = "it reads further templates, which chat templates do not";
        found.push((Verdict::Suspicious, format!("the template has the statement {statement}"), why));
    }
    found
}

/// True where a name is called, or something is taken of it: `name(`, `name.`.
fn is_used(bare: &str, name: &str) -> bool {
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    bare.match_indices(name).any(|(place, _)| {
        let before = bare[..place].chars().next_back();
        let after = bare[place + name.len()..].trim_start().chars().next();
        !before.is_some_and(is_word) && matches!(after, Some('(' | '.'))
    })
}

/// The first name of Python's internals in a text: one of the known wherever it stands, any other where it is all of
/// the text and the code may take it for an attribute's name.
fn internal_name(text: &str, is_computed: bool) -> Option<&str> {
    let known = INTERNAL_NAMES.iter().find(|name| text.contains(*name)).copied();
    let inner = text.strip_prefix("__").and_then(|text| text.strip_suffix("__"));
    let is_name =
        |inner: &str| !inner.is_empty() && inner.chars().all(|c| c.is_ascii_lowercase() || c == '_');
    known.or(Some(text).filter(|_| is_computed && inner.is_some_and(is_name)))
}

/// True for a text with a field such as `{0.name}` or `{0[name]}`.
fn has_field_of_attribute(text: &str) -> bool {
    text.match_indices('{').any(|(place, _)| {
        let field = &text[place + 1..];
        let field = &field[..field.find(['}', '{', ' ']).unwrap_or(field.len())];
        let name = field.trim_start_matches(|c: char| c.is_alphanumeric() || c == '_');
        name.starts_with(['.', '['])
    })
}

/// True for a piece of which names with underscores may be made: `_`, `__`, `__cl`, `ss__`.
fn is_part_of_name(text: &str) -> bool {
    let is_plain = |text: &str| text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    let is_short = !text.is_empty() && text.len() <= 2 && text.chars().all(|c| c == '_');
    is_short || (is_plain(text) && (text.starts_with("__") || text.ends_with("__")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn worst(template: &str) -> Option<Verdict> {
        code_of(template).flat_map(examine).map(|(verdict, ..)| verdict).max()
    }

    #[test]
    fn ordinary_templates_are_safe() {
        for template in [
            "{% for message in messages %}{{'<|im_start|>' + message['role'] + '\n' + message['content']}}{% endfor %}",
            "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}",
            "plain __text__ with underscores {{ bos_token }}",
            "{%- set ns = namespace(found=false) -%}{{ raise_exception('no \\'x\\' %}') }}",
            "{{ message['tool_calls'] | tojson }}{{ strftime_now('%d %b %Y') }}{{ x.items() }}{{ '}}' }}",
            "{% macro render(a, b) %}{{ a ~ b }}{% endmacro %}",
            "{{ system_message }}{{ pos.x }}{{ messages[0].content.split('</think>')[-1] }}",
            "{{ '{\"name\": \"' + tool.name + '\"}' }}{% if system %}{{ system }}{% endif %}",
        ] {
            assert_eq!(worst(template), None, "{template}");
        }
    }

    #[test]
    fn templates_that_reach_out_are_dangerous() {
        for template in [
            "{{ ''.__class__.__mro__[1].__subclasses__() }}",
            "{{ x['__globals__'] }}",
            "{% set y = x|attr('a' ~ 'b') %}",
            "{{ cycler.next }}",
            "{{ '{{' }}{{ self.__init__ }}",
            "{%- for x in ().__class__.__base__.__subclasses__() -%}{%- endfor -%}",
            "{{ '}}'.__class__ }}",
            "{{ x.__class__",
            "{{ x | map(attribute='a.__class__.b') | list }}",
            "{{ '{0.__class__}'.format(x) }}",
            "{% set k = '__ssalc__' | reverse %}",
            "{{ os.system('id') }}",
            "{{ eval ('1') }}",
        ] {
            assert_eq!(worst(template), Some(Verdict::Dangerous), "{template}");
        }
        for template in [
            "{{ x['\\x5f\\x5fclass\\x5f\\x5f'] }}",
            "{{ x['_' * 2] }}",
            "{{ x['__cl' ~ 'ass' ~ y] }}",
            "{% set k = '__cl' + 'ass__' %}",
            "{{ 'XXclassXX' | replace('XX', '__') }}",
            "{{ '{0.a}'.format(x) }}",
            "{{ '%s' | format('__') }}",
            "{% include 'a' %}",
            "{{ '%c%c' % (95, 95) }}",
        ] {
            assert_eq!(worst(template), Some(Verdict::Suspicious), "{template}");
        }
    }
}
