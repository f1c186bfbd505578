//! Arithmetic that an operator may write: time texts and `bantime.formula`.
//!
//! fail2ban hands such text to Python's `eval`. Here it is parsed into a small tree and computed; there is no way
//! from it to anything but numbers. Understood: numbers, `+ - * / // % ** << >>`, comparisons, `A if C else B`,
//! parentheses, the functions in [`FUNCTIONS`] and the variables that the caller names.

use std::fmt;

/// A parsed expression.
#[derive(Clone, Debug, PartialEq)]
pub struct Expr {
    node: Node,
    text: String,
}

/// Why an expression was refused.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum ExprError {
    /// The text is not an expression; the number is the byte where reading stopped.
    #[error("not an arithmetic expression (at character {0})")]
    Syntax(usize),
    /// A name that nobody defined.
    #[error("`{0}` is not defined")]
    Name(String),
    /// Division by zero, or a number beyond all bounds.
    #[error("has no value")]
    NoValue,
}

/// Functions that an expression may call, with the least and the largest number of their arguments.
pub const FUNCTIONS: &[(&str, usize, usize)] = &[
    ("min", 1, usize::MAX),
    ("max", 1, usize::MAX),
    ("int", 1, 1),
    ("float", 1, 1),
    ("abs", 1, 1),
    ("round", 1, 2),
    ("math.exp", 1, 1),
    ("math.log", 1, 2),
    ("math.pow", 2, 2),
    ("math.sqrt", 1, 1),
    ("random.random", 0, 0),
];

#[derive(Clone, Debug, PartialEq)]
enum Node {
    Number(f64),
    Name(String),
    Negate(Box<Node>),
    Binary(&'static str, Box<Node>, Box<Node>),
    If { then: Box<Node>, cond: Box<Node>, otherwise: Box<Node> },
    Call(&'static str, Vec<Node>),
}

/// What stands before a `#`: fail2ban has Python read such texts, which takes the rest for a comment.
pub fn code(text: &str) -> &str {
    text.split_once('#').map_or(text, |(code, _)| code)
}

impl Expr {
    /// Reads an expression; names are checked when it is computed.
    pub fn parse(whole: &str) -> Result<Expr, ExprError> {
        let text = code(whole);
        let mut parser = Parser { text, at: 0, depth: 0 };
        let node = parser.conditional()?;
        parser.space();
        if parser.at == text.len() {
            Ok(Expr { node, text: whole.to_owned() })
        } else {
            Err(ExprError::Syntax(parser.at))
        }
    }

    /// Computes it with the given variables; `random.random()` is 0.5 here, see [`Expr::eval_with`].
    pub fn eval(&self, names: &[(&str, f64)]) -> Result<f64, ExprError> {
        self.eval_with(names, &mut || 0.5)
    }

    /// Computes it; `random` gives the values of `random.random()`, from 0 up to 1.
    pub fn eval_with(&self, names: &[(&str, f64)], random: &mut dyn FnMut() -> f64) -> Result<f64, ExprError> {
        self.node.eval(names, random)
    }
}

impl fmt::Display for Expr {
    /// As it was written.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Node {
    fn eval(&self, names: &[(&str, f64)], random: &mut dyn FnMut() -> f64) -> Result<f64, ExprError> {
        let value = match self {
            Node::Number(n) => *n,
            Node::Name(name) => {
                let found = names.iter().find(|(n, _)| n == name);
                found.ok_or_else(|| ExprError::Name(name.clone()))?.1
            }
            Node::Negate(a) => -a.eval(names, random)?,
            Node::Binary(op, a, b) => binary(op, a.eval(names, random)?, b.eval(names, random)?)?,
            Node::If { then, cond, otherwise } => {
                let branch = if cond.eval(names, random)? != 0.0 { then } else { otherwise };
                branch.eval(names, random)?
            }
            Node::Call("random.random", _) => random(),
            Node::Call(name, args) => {
                let args = args.iter().map(|a| a.eval(names, random)).collect::<Result<Vec<_>, _>>()?;
                call(name, &args)
            }
        };
        if value.is_finite() { Ok(value) } else { Err(ExprError::NoValue) }
    }
}

fn binary(op: &str, a: f64, b: f64) -> Result<f64, ExprError> {
    let truth = |t: bool| Ok(if t { 1.0 } else { 0.0 });
    match op {
        "+" => Ok(a + b),
        "-" => Ok(a - b),
        "*" => Ok(a * b),
        "/" | "//" | "%" if b == 0.0 => Err(ExprError::NoValue),
        "/" => Ok(a / b),
        "//" => Ok((a / b).floor()),
        "%" => Ok(a - b * (a / b).floor()),
        "**" => Ok(a.powf(b)),
        "<<" if (0.0..=63.0).contains(&b) => Ok(a.trunc() * 2f64.powf(b.trunc())),
        ">>" if (0.0..=63.0).contains(&b) => Ok((a.trunc() / 2f64.powf(b.trunc())).floor()),
        "<" => truth(a < b),
        "<=" => truth(a <= b),
        ">" => truth(a > b),
        ">=" => truth(a >= b),
        "==" => truth(a == b),
        "!=" => truth(a != b),
        _ => Err(ExprError::NoValue),
    }
}

fn call(name: &str, args: &[f64]) -> f64 {
    match (name, args) {
        ("min", args) => args.iter().copied().fold(f64::INFINITY, f64::min),
        ("max", args) => args.iter().copied().fold(f64::NEG_INFINITY, f64::max),
        ("int", [a]) => a.trunc(),
        ("float", [a]) => *a,
        ("abs", [a]) => a.abs(),
        ("round", [a]) => a.round_ties_even(),
        ("round", [a, digits]) => (a * 10_f64.powf(*digits)).round_ties_even() / 10_f64.powf(*digits),
        ("math.exp", [a]) => a.exp(),
        ("math.log", [a]) => a.ln(),
        ("math.log", [a, base]) => a.ln() / base.ln(),
        ("math.pow", [a, b]) => a.powf(*b),
        ("math.sqrt", [a]) => a.sqrt(),
        _ => f64::NAN,
    }
}

/// Deeper nesting than this is refused, so that no text can exhaust the stack.
const MAX_DEPTH: usize = 64;

/// Binary operators by precedence, weakest first; in each level longer ones stand before their prefixes.
const LEVELS: &[&[&str]] = &[&["<=", ">=", "==", "!=", "<", ">"], &["<<", ">>"], &["+", "-"], &["//", "*", "/", "%"]];

struct Parser<'a> {
    text: &'a str,
    at: usize,
    depth: usize,
}

impl Parser<'_> {
    fn conditional(&mut self) -> Result<Node, ExprError> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(ExprError::Syntax(self.at));
        }
        let then = self.level(0)?;
        let node = if self.word("if") {
            let cond = self.level(0)?;
            if !self.word("else") {
                return Err(ExprError::Syntax(self.at));
            }
            let otherwise = self.conditional()?;
            Node::If { then: then.into(), cond: cond.into(), otherwise: otherwise.into() }
        } else {
            then
        };
        self.depth -= 1;
        Ok(node)
    }

    fn level(&mut self, level: usize) -> Result<Node, ExprError> {
        let Some(operators) = LEVELS.get(level) else { return self.unary() };
        let mut left = self.level(level + 1)?;
        while let Some(op) = self.operator(operators) {
            let right = self.level(level + 1)?;
            left = Node::Binary(op, left.into(), right.into());
        }
        Ok(left)
    }

    fn unary(&mut self) -> Result<Node, ExprError> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(ExprError::Syntax(self.at));
        }
        let node = if self.symbol("-") {
            Node::Negate(self.unary()?.into())
        } else if self.symbol("+") {
            self.unary()?
        } else {
            let base = self.atom()?;
            if self.symbol("**") { Node::Binary("**", base.into(), self.unary()?.into()) } else { base }
        };
        self.depth -= 1;
        Ok(node)
    }

    fn atom(&mut self) -> Result<Node, ExprError> {
        if self.symbol("(") {
            let inner = self.conditional()?;
            return if self.symbol(")") { Ok(inner) } else { Err(ExprError::Syntax(self.at)) };
        }
        self.space();
        let start = self.at;
        let rest = &self.text[start..];
        let mut end = rest.find(|c: char| !(c.is_ascii_alphanumeric() || c == '.' || c == '_')).unwrap_or(rest.len());
        let number = rest.starts_with(|c: char| c.is_ascii_digit() || c == '.');
        if number && rest[..end].ends_with(['e', 'E']) && rest[end..].starts_with(['+', '-']) {
            let digits = &rest[end + 1..];
            end += 1 + digits.find(|c: char| !c.is_ascii_digit()).unwrap_or(digits.len());
        }
        let word = &rest[..end];
        self.at += end;
        if number {
            return word.parse().map(Node::Number).map_err(|_| ExprError::Syntax(start));
        }
        if word.is_empty() {
            return Err(ExprError::Syntax(start));
        }
        if self.symbol("(") { self.call(word.to_owned(), start) } else { Ok(Node::Name(word.to_owned())) }
    }

    fn call(&mut self, word: String, start: usize) -> Result<Node, ExprError> {
        let &(name, least, most) =
            FUNCTIONS.iter().find(|(n, ..)| *n == word).ok_or_else(|| ExprError::Name(word.clone()))?;
        let mut args = Vec::new();
        while !self.symbol(")") {
            if !args.is_empty() && !self.symbol(",") {
                return Err(ExprError::Syntax(self.at));
            }
            args.push(self.conditional()?);
        }
        if !(least..=most).contains(&args.len()) {
            return Err(ExprError::Syntax(start));
        }
        Ok(Node::Call(name, args))
    }

    fn operator(&mut self, operators: &[&'static str]) -> Option<&'static str> {
        self.space();
        let rest = &self.text[self.at..];
        // `**` binds tighter than any level and belongs to `unary`; `<<` must not be read as `<`.
        let found = operators.iter().find(|op| {
            rest.starts_with(**op)
                && !(**op == "*" && rest.starts_with("**"))
                && !(op.len() == 1 && "<>".contains(**op) && rest[1..].starts_with(**op))
        })?;
        self.at += found.len();
        Some(found)
    }

    fn symbol(&mut self, symbol: &str) -> bool {
        self.space();
        let found = self.text[self.at..].starts_with(symbol);
        if found {
            self.at += symbol.len();
        }
        found
    }

    fn word(&mut self, word: &str) -> bool {
        self.space();
        let rest = &self.text[self.at..];
        let found = rest.starts_with(word) && !rest[word.len()..].starts_with(|c: char| c.is_ascii_alphanumeric());
        if found {
            self.at += word.len();
        }
        found
    }

    fn space(&mut self) {
        let rest = &self.text[self.at..];
        self.at += rest.len() - rest.trim_start().len();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(text: &str, names: &[(&str, f64)]) -> Result<f64, ExprError> {
        Expr::parse(text)?.eval(names)
    }

    #[test]
    fn the_default_formula_doubles() {
        let formula = "ban.Time * (1<<(ban.Count if ban.Count<20 else 20)) * banFactor";
        for (count, secs) in [(0.0, 600.0), (1.0, 1200.0), (10.0, 614_400.0), (25.0, 629_145_600.0)] {
            let names = [("ban.Time", 600.0), ("ban.Count", count), ("banFactor", 1.0)];
            assert_eq!(value(formula, &names), Ok(secs));
        }
    }

    #[test]
    fn the_exponential_formula_of_the_manual_works() {
        let formula = "ban.Time * math.exp(float(ban.Count+1)*banFactor)/math.exp(1*banFactor)";
        let names = [("ban.Time", 600.0), ("ban.Count", 1.0), ("banFactor", 1.0)];
        let got = value(formula, &names).expect("it has a value");
        assert!((got - 1630.97).abs() < 0.01, "{got}");
    }

    #[test]
    fn arithmetic_follows_python() {
        for (text, expected) in [
            ("-2**2", -4.0),
            ("7//2", 3.0),
            ("-7 % 3", 2.0),
            ("2**3**2", 512.0),
            ("min(3, 2, 5)", 2.0),
            ("1e3-1", 999.0),
            ("2.5e-1*4", 1.0),
            ("round(1.25, 1)", 1.2),
            ("math.log(8, 2)", 3.0),
        ] {
            assert_eq!(value(text, &[]), Ok(expected), "{text}");
        }
    }

    #[test]
    fn nothing_but_numbers_gets_in() {
        assert_eq!(value("os.system(1)", &[]), Err(ExprError::Name("os.system".into())));
        assert_eq!(value("x", &[]), Err(ExprError::Name("x".into())));
        assert_eq!(value("1/0", &[]), Err(ExprError::NoValue));
        for text in ["1e", "1e+", "1x", "1.2.3", "1_0", "infinity", "nan", "min()", "random.random(1)", "."] {
            assert!(value(text, &[]).is_err(), "{text}");
        }
        assert!(value(&"(".repeat(10_000), &[]).is_err());
        assert!(value(&"-".repeat(10_000), &[]).is_err());
    }
}
