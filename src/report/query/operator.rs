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
    /// `~`: the text contains another text.
    Contains,
}

/// The operators. Each comes before its own prefixes, such as `<=` before `<`.
const OPERATORS: [(&str, Operator); 8] = [
    ("!=", Operator::NotEqual),
    ("<=", Operator::LessOrEqual),
    (">=", Operator::GreaterOrEqual),
    ("==", Operator::Equal),
    ("=", Operator::Equal),
    ("<", Operator::Less),
    (">", Operator::Greater),
    ("~", Operator::Contains),
];

impl Operator {
    /// Splits a condition at its first operator; returns the trimmed text on both sides of it.
    pub fn split(condition: &str) -> Option<(&str, Operator, &str)> {
        condition.char_indices().find_map(|(start, _)| {
            let (left, rest) = condition.split_at(start);
            let find = |(symbol, operator): &(&str, Operator)| Some((rest.strip_prefix(symbol)?, *operator));
            let (right, operator) = OPERATORS.iter().find_map(find)?;
            Some((left.trim(), operator, right.trim()))
        })
    }

    /// Returns whether two values of this order satisfy the operator. `Contains` has no order and
    /// is never satisfied.
    pub fn accepts(self, order: Ordering) -> bool {
        match self {
            Operator::Equal => order.is_eq(),
            Operator::NotEqual => order.is_ne(),
            Operator::Less => order.is_lt(),
            Operator::LessOrEqual => order.is_le(),
            Operator::Greater => order.is_gt(),
            Operator::GreaterOrEqual => order.is_ge(),
            Operator::Contains => false,
        }
    }
}
