//! Expressions: the sources of a column's value.

pub(crate) mod display;

use super::condition::Alternatives;
use super::filter::{self, Filter};
use super::pointer::Pointer;
use crate::suggest::nearest;

/// An expression that yields the value of a column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Expression {
    /// `"/a/b|lower"`: the value at a pointer, after its filters.
    Place(FilteredPlace),
    /// `"=text"`: a constant.
    Constant(Box<str>),
    /// `"{/a}.{/b}"`: a template of concatenated parts.
    Template(Vec<Part>),
    /// `[x, y]`: the first value that is not null.
    First(Vec<Expression>),
    /// `{ if = …, value = x }`: `x` if all conditions hold.
    If {
        /// The conditions. In each list, at least one must hold.
        conditions: Vec<Alternatives>,
        /// The value.
        value: Box<Expression>,
    },
}

/// A pointer, and the filters that are applied to the string it refers to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FilteredPlace {
    /// The pointer.
    pub pointer: Pointer,
    /// The filters.
    pub filters: Vec<Filter>,
}

/// A part of a template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Part {
    /// A fixed string.
    Text(Box<str>),
    /// The string at a pointer.
    Place(FilteredPlace),
}

impl Expression {
    /// Parses the text of an expression. Lists and conditions are not written as text; the parser
    /// of the map builds them.
    ///
    /// # Errors
    /// Returns a description of the mistake.
    pub fn parse(text: &str) -> Result<Expression, String> {
        if let Some(constant) = text.strip_prefix('=') {
            return Ok(Expression::Constant(constant.into()));
        }
        if text.is_empty() || text.starts_with(['/', '^']) {
            return Ok(Expression::Place(FilteredPlace::parse(text)?));
        }
        if !text.contains('{') {
            return Err(format!(
                "'{text}' is not an expression: a pointer begins with '/', a constant with '=', as in \"={text}\""
            ));
        }
        let (mut parts, mut rest) = (Vec::new(), text);
        while let Some((before, after)) = rest.split_once('{') {
            let Some((place, after)) = after.split_once('}') else {
                return Err(format!("'{text}' has a '{{' without its '}}'"));
            };
            if !before.is_empty() {
                parts.push(Part::Text(before.into()));
            }
            parts.push(Part::Place(FilteredPlace::parse(place)?));
            rest = after;
        }
        if !rest.is_empty() {
            parts.push(Part::Text(rest.into()));
        }
        Ok(Expression::Template(parts))
    }
}

impl Expression {
    /// Calls `each` with all pointers of the expression.
    pub fn for_each_pointer(&mut self, each: &mut dyn FnMut(&mut Pointer)) {
        match self {
            Expression::Place(place) => each(&mut place.pointer),
            Expression::Constant(_) => {}
            Expression::Template(parts) => {
                for part in parts {
                    if let Part::Place(place) = part {
                        each(&mut place.pointer);
                    }
                }
            }
            Expression::First(expressions) => {
                expressions.iter_mut().for_each(|expression| expression.for_each_pointer(each));
            }
            Expression::If { conditions, value } => {
                conditions.iter_mut().flatten().for_each(|condition| each(&mut condition.pointer));
                value.for_each_pointer(each);
            }
        }
    }
}

impl FilteredPlace {
    /// Parses a pointer and its filters.
    ///
    /// # Errors
    /// Returns a description of the mistake.
    pub fn parse(text: &str) -> Result<FilteredPlace, String> {
        let mut parts = text.split('|');
        let pointer = Pointer::parse(parts.next().unwrap_or(""))?;
        let filters = parts.map(|name| {
            Filter::parse(name).ok_or_else(|| match nearest(name, filter::NAMES) {
                Some("strip") => "the filter 'strip' needs a prefix: write strip:PREFIX".to_owned(),
                Some(near) if near != name => {
                    format!("there is no filter '{name}'; did you mean '{near}'?")
                }
                _ => format!("there is no filter '{name}'; filters are {}", filter::NAMES.join(", ")),
            })
        });
        Ok(FilteredPlace { pointer, filters: filters.collect::<Result<_, _>>()? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(text: &str) -> FilteredPlace {
        FilteredPlace::parse(text).unwrap()
    }

    #[test]
    fn expression_is_a_pointer_a_constant_or_a_template() {
        let parse = |text| Expression::parse(text).unwrap();
        assert_eq!(parse("/a/b"), Expression::Place(place("/a/b")));
        assert_eq!(parse("^/a"), Expression::Place(place("^/a")));
        assert_eq!(parse("=/a"), Expression::Constant("/a".into()));
        assert_eq!(parse("="), Expression::Constant("".into()));
        let filtered = place("/a|lower|strip:x y");
        assert_eq!(filtered.filters, [Filter::Lower, Filter::Strip("x y".into())]);
        assert_eq!(
            parse("https://{/host}{/path|urldecode}?"),
            Expression::Template(vec![
                Part::Text("https://".into()),
                Part::Place(place("/host")),
                Part::Place(place("/path|urldecode")),
                Part::Text("?".into()),
            ])
        );
    }

    #[test]
    fn bad_expression_is_an_error_with_a_reason() {
        let error = |text| Expression::parse(text).unwrap_err();
        assert!(error("page_view").contains("as in \"=page_view\""));
        assert!(error("{/a").contains("without its '}'"));
        assert!(error("x{a}").contains("must begin with '/'"));
        assert_eq!(error("/a|lowr"), "there is no filter 'lowr'; did you mean 'lower'?");
        assert!(error("/a|strip").contains("strip:PREFIX"));
        assert!(error("/a|md5").contains("filters are lower"));
    }
}
