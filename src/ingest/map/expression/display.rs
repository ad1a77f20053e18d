//! Writes parts of a map in the notation of maps.

use std::fmt::{Display, Formatter, Result};

use super::super::condition::Condition;
use super::super::filter::Filter;
use super::super::pointer::Pointer;
use super::super::unwrap::Place;
use super::{Expression, FilteredPlace, Part};

impl Display for Pointer {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        f.write_str(&"^".repeat(self.up))?;
        self.steps.iter().try_for_each(|step| write!(f, "/{}", escape_key(&step.key)))
    }
}

/// Returns a key as a step of a pointer.
pub fn escape_key(key: &str) -> String {
    key.replace('~', "~0").replace('/', "~1")
}

impl Display for Condition {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        let sign = if self.negated { "!" } else { "" };
        match &self.equals {
            Some(value) => write!(f, "{sign}{} = {value}", self.pointer),
            None => write!(f, "{sign}{}", self.pointer),
        }
    }
}

impl Display for FilteredPlace {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        write!(f, "{}", self.pointer)?;
        self.filters.iter().try_for_each(|filter| match filter {
            Filter::Lower => f.write_str("|lower"),
            Filter::Strip(prefix) => write!(f, "|strip:{prefix}"),
            Filter::UrlDecode => f.write_str("|urldecode"),
            Filter::Base64 => f.write_str("|base64"),
            Filter::Gunzip => f.write_str("|gunzip"),
        })
    }
}

impl Display for Place {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        let (pointer, filters) = (self.pointer.clone(), self.filters.clone());
        write!(f, "{}", FilteredPlace { pointer, filters })
    }
}

impl Display for Expression {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        match self {
            Expression::Place(place) => write!(f, "{place}"),
            Expression::Constant(text) => write!(f, "={text}"),
            Expression::Template(parts) => parts.iter().try_for_each(|part| match part {
                Part::Text(text) => f.write_str(text),
                Part::Place(place) => write!(f, "{{{place}}}"),
            }),
            Expression::First(expressions) => {
                for (index, expression) in expressions.iter().enumerate() {
                    write!(f, "{}{expression}", if index > 0 { " or " } else { "" })?;
                }
                Ok(())
            }
            Expression::If { conditions, value } => {
                write!(f, "{value} if ")?;
                for (index, any) in conditions.iter().enumerate() {
                    let any: Vec<String> = any.iter().map(Condition::to_string).collect();
                    write!(f, "{}{}", if index > 0 { " and " } else { "" }, any.join(" or "))?;
                }
                Ok(())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_of_a_map_are_written_as_they_are_parsed() {
        for text in
            ["", "/a~1b/key=x/*", "^^/a/0", "/a|lower|strip:x y|urldecode|base64|gunzip", "=x", "{/a}.{/b}z"]
        {
            assert_eq!(Expression::parse(text).unwrap().to_string(), text);
        }
        for text in ["/a", "!/a/b", "/a = b c", "!^/a = "] {
            assert_eq!(Condition::parse(text).unwrap().to_string(), text);
        }
        let place = |text| Expression::parse(text).unwrap();
        let condition = |text| Condition::parse(text).unwrap();
        let conditions = vec![vec![condition("/x")], vec![condition("/y"), condition("/z")]];
        let chosen = Expression::If { conditions, value: Box::new(place("/b")) };
        assert_eq!(Expression::First(vec![place("/a"), chosen]).to_string(), "/a or /b if /x and /y or /z");
    }
}
