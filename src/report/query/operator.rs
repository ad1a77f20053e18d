//! The comparison operators of `--where` and `--fail-if`.

use std::cmp::Ordering;

/// A comparison operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operator {
    /// `=` or `==`.
    Equal,
    /// `!=`.
    NotEqual,
    /// `<`.
    Less,
    /// `<=`.
    LessOrEqual,
    /// `>`.
    Greater,
    /// `>=`.
    GreaterOrEqual,
    /// `~`: a string contains another one.
    Contains,
    /// `!~`: a string does not contain another one.
    NotContains,
}

/// The operators. An operator comes before those that are prefixes of it, such as `<=` before `<`.
const OPERATORS: [(&str, Operator); 9] = [
    ("!=", Operator::NotEqual),
    ("<=", Operator::LessOrEqual),
    (">=", Operator::GreaterOrEqual),
    ("==", Operator::Equal),
    ("=", Operator::Equal),
    ("<", Operator::Less),
    (">", Operator::Greater),
    ("!~", Operator::NotContains),
    ("~", Operator::Contains),
];

impl Operator {
    /// Splits a condition at its first operator; returns the trimmed text on both sides of it.
    pub fn split(condition: &str) -> Option<(&str, Operator, &str)> {
        condition.char_indices().find_map(|(start, _)| {
            let (left, rest) = condition.split_at(start);
            let (operator, right) = Operator::strip(rest)?;
            Some((left.trim(), operator, right.trim()))
        })
    }

    /// Returns the operator at the start of a string, and the rest of the string.
    pub fn strip(text: &str) -> Option<(Operator, &str)> {
        let strip = |(symbol, operator): &(&str, Operator)| Some((*operator, text.strip_prefix(symbol)?));
        OPERATORS.iter().find_map(strip)
    }

    /// Returns whether the operator compares an order: `<`, `<=`, `>` or `>=`.
    pub fn is_order(self) -> bool {
        matches!(self, Operator::Less | Operator::LessOrEqual | Operator::Greater | Operator::GreaterOrEqual)
    }

    /// Returns whether the operator negates another one: `!=` and `!~`.
    pub fn is_negative(self) -> bool {
        matches!(self, Operator::NotEqual | Operator::NotContains)
    }

    /// Returns whether two values of this order satisfy the operator. `Contains` and `NotContains`
    /// have no order and are never satisfied.
    pub fn accepts(self, order: Ordering) -> bool {
        match self {
            Operator::Equal => order.is_eq(),
            Operator::NotEqual => order.is_ne(),
            Operator::Less => order.is_lt(),
            Operator::LessOrEqual => order.is_le(),
            Operator::Greater => order.is_gt(),
            Operator::GreaterOrEqual => order.is_ge(),
            Operator::Contains | Operator::NotContains => false,
        }
    }
}
