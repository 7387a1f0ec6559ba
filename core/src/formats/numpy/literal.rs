//! The Python literals of an array's header, and no more of Python than those.

/// A literal.
#[derive(Debug, Clone, PartialEq)]
pub enum Literal {
    /// Without escapes.
    Text(String),
    /// `True` or `False`.
    Bool(bool),
    /// Not negative.
    Int(u64),
    /// `(…)`.
    Tuple(Vec<Literal>),
    /// `[…]`.
    List(Vec<Literal>),
    /// `{…}` with texts as keys.
    Dict(Vec<(String, Literal)>),
}

/// Deepest nesting: a record's field may be a record.
const MAX_DEPTH: usize = 16;

/// Reads one literal with nothing but spaces around it. The error says what is wrong.
pub fn read_literal(text: &str) -> Result<Literal, String> {
    let mut parser = Parser { rest: text };
    let literal = parser.literal(0)?;
    parser.spaces();
    match parser.rest {
        "" => Ok(literal),
        rest => Err(format!("\"{}\" follows it", rest.chars().take(20).collect::<String>())),
    }
}

struct Parser<'a> {
    rest: &'a str,
}

impl Parser<'_> {
    fn spaces(&mut self) {
        self.rest = self.rest.trim_start_matches([' ', '\n', '\r', '\t']);
    }

    /// Steps over a character, if it is the next one behind spaces.
    fn take(&mut self, c: char) -> bool {
        self.spaces();
        let rest = self.rest.strip_prefix(c);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    fn word(&mut self, word: &str) -> bool {
        let rest = self.rest.strip_prefix(word);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    fn literal(&mut self, depth: usize) -> Result<Literal, String> {
        if depth > MAX_DEPTH {
            return Err(format!("it is nested deeper than {MAX_DEPTH} levels"));
        }
        self.spaces();
        match self.rest.chars().next() {
            Some('\'' | '"') => self.text().map(Literal::Text),
            Some('0'..='9') => self.int().map(Literal::Int),
            Some('T' | 'F') if self.word("True") => Ok(Literal::Bool(true)),
            Some('T' | 'F') if self.word("False") => Ok(Literal::Bool(false)),
            Some('(') => {
                self.take('(');
                let (mut items, comma) = self.items(')', depth)?;
                // One in parentheses is that one itself.
                if items.len() == 1 && !comma {
                    return Ok(items.remove(0));
                }
                Ok(Literal::Tuple(items))
            }
            Some('[') => {
                self.take('[');
                Ok(Literal::List(self.items(']', depth)?.0))
            }
            Some('{') => {
                self.take('{');
                let mut pairs = Vec::new();
                while !self.take('}') {
                    self.spaces();
                    let key = self.text()?;
                    if !self.take(':') {
                        return Err(format!("\"{key}\" has no value"));
                    }
                    pairs.push((key, self.literal(depth + 1)?));
                    if !self.take(',') && !self.rest.starts_with('}') {
                        return Err("a comma is missing".into());
                    }
                }
                Ok(Literal::Dict(pairs))
            }
            Some(c) => Err(format!("\"{c}\" starts no literal")),
            None => Err("it ends early".into()),
        }
    }

    /// The items up to `end`, and whether a comma follows the last.
    fn items(&mut self, end: char, depth: usize) -> Result<(Vec<Literal>, bool), String> {
        let (mut items, mut comma) = (Vec::new(), false);
        while !self.take(end) {
            items.push(self.literal(depth + 1)?);
            comma = self.take(',');
            if !comma && !self.rest.starts_with(end) {
                return Err("a comma is missing".into());
            }
        }
        Ok((items, comma))
    }

    fn text(&mut self) -> Result<String, String> {
        let quote =
            self.rest.chars().next().filter(|c| matches!(c, '\'' | '"')).ok_or("a key is not text")?;
        let inner = &self.rest[1..];
        let length = inner.find(quote).ok_or("a text does not end")?;
        let text = &inner[..length];
        if text.contains(['\\', '\n']) {
            return Err("a text has an escape".into());
        }
        self.rest = &inner[length + 1..];
        Ok(text.to_owned())
    }

    fn int(&mut self) -> Result<u64, String> {
        let length = self.rest.bytes().take_while(u8::is_ascii_digit).count();
        let (digits, rest) = self.rest.split_at(length);
        // Python 2 wrote long integers with an L.
        self.rest = rest.strip_prefix('L').unwrap_or(rest);
        digits.parse().map_err(|_| format!("{digits} is too large"))
    }
}
