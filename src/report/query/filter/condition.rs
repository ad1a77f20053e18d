//! One condition: a field, an operator and alternatives.

use super::field::{Field, Subject};
use super::reader::{FieldReader, FieldText};
use super::syntax::WrittenCondition;
use super::value::{TimeRange, Value};
use crate::error::{Error, Result};
use crate::report::query::operator::Operator;
use crate::report::query::view_cache::{NULL_TOKEN, ViewCache};
use crate::store::columns::ColumnType;
use crate::store::frame::{Cell, Frame};
use crate::time::Zone;

/// A condition on one field of a session or an event.
#[derive(Clone, Debug)]
pub(crate) struct Condition {
    pub(super) field: Field,
    operator: Operator,
    values: Vec<Value>,
}

impl Condition {
    /// Checks a parsed condition.
    ///
    /// # Errors
    /// Returns a usage error for an unknown field, or a value that the field cannot have.
    pub(super) fn new(written: WrittenCondition, subject: Subject) -> Result<Condition> {
        let field = Field::new(written.keys, subject)?;
        let operator = written.operator;
        if operator.is_order() && written.values.len() > 1 {
            return Err(Error::usage("the operators < <= > >= accept only one value")
                .hint("write alternatives with = or !=, or put a value with | in double quotes"));
        }
        let values = written.values.into_iter().map(|value| Value::new(value, &field, operator));
        Ok(Condition { values: values.collect::<Result<_>>()?, field, operator })
    }

    /// Returns whether a value satisfies the condition. A missing value equals the empty string and
    /// differs from every other string; it contains no string and has no order.
    fn accepts(&self, text: Option<&FieldText<'_>>) -> bool {
        let positive = match text {
            None => match self.operator {
                Operator::Equal | Operator::NotEqual => self.values.iter().any(Value::is_empty),
                _ => false,
            },
            Some(text) => self.accepts_text(text),
        };
        positive != self.operator.is_negative()
    }

    /// Returns whether the value of a row satisfies the condition. It is called once for each
    /// distinct string, so it must not be inlined into the loop over all rows.
    #[inline(never)]
    fn accepts_row(&self, reader: &FieldReader<'_>, row: usize) -> bool {
        self.accepts(reader.text(row).as_ref())
    }

    /// Returns whether a string satisfies the condition. For a negative operator, returns whether
    /// the string satisfies the opposite.
    fn accepts_text(&self, text: &FieldText<'_>) -> bool {
        match self.operator {
            Operator::Contains | Operator::NotContains => {
                self.values.iter().any(|value| value.is_contained_in(&text.text))
            }
            Operator::Equal | Operator::NotEqual => {
                self.values.iter().any(|value| value.equals(text) || self.is_null_text(value, &text.text))
            }
            operator => {
                let order = |value: &Value| value.order_of(&text.text);
                self.values.iter().filter_map(order).any(|order| operator.accepts(order))
            }
        }
    }

    /// Returns whether a value is empty and the string is the field's label for missing values.
    fn is_null_text(&self, value: &Value, text: &str) -> bool {
        value.is_empty() && self.field.null_text() == Some(text)
    }

    /// Binds the condition to the rows of a frame that has the column. Times without an offset are
    /// read in `zone`.
    pub(super) fn bind<'a>(&'a self, frame: &Frame, zone: Zone) -> Result<BoundCondition<'a>> {
        let reader = FieldReader::new(&self.field, frame)?;
        let comparison = match self.field.column().kind {
            ColumnType::Timestamp => {
                let ranges: Option<Vec<TimeRange>> =
                    self.values.iter().map(|value| value.time_range(zone)).collect();
                let compares_text = matches!(self.operator, Operator::Contains | Operator::NotContains);
                ranges.filter(|_| !compares_text).map_or(Comparison::Text, Comparison::Times)
            }
            ColumnType::Int32 | ColumnType::Int64 => {
                let numbers: Option<Vec<i64>> = self.values.iter().map(Value::whole_number).collect();
                numbers.map_or(Comparison::Text, Comparison::Ints)
            }
            _ => Comparison::Text,
        };
        let cache = ViewCache::new(self.accepts(self.field.null_text().map(FieldText::of_label).as_ref()));
        Ok(BoundCondition { condition: self, reader, comparison, cache })
    }
}

/// The comparison of a column's values with those of a condition.
enum Comparison {
    Text,
    Times(Vec<TimeRange>),
    Ints(Vec<i64>),
}

/// A [`Condition`], bound to the rows of one frame.
pub(crate) struct BoundCondition<'a> {
    condition: &'a Condition,
    reader: FieldReader<'a>,
    comparison: Comparison,
    /// Results by the token of the string.
    cache: ViewCache<bool>,
}

impl BoundCondition<'_> {
    /// Returns the rows of the frame that satisfy the condition. `height` is the number of all
    /// rows.
    pub fn rows(&mut self, height: u32) -> Vec<u32> {
        let mut rows = vec![0; height as usize];
        let mut count = 0;
        // Whether a row satisfies a condition is hard to predict, so a branch would be slower.
        let mut add = |row: u32, is_accepted: bool| {
            if let Some(slot) = rows.get_mut(count) {
                *slot = row;
            }
            count += usize::from(is_accepted);
        };
        if let Some(texts) = self.reader.texts() {
            let BoundCondition { condition, reader, cache, .. } = self;
            texts.each_token(NULL_TOKEN, |row, token| {
                add(row as u32, cache.get(token, || condition.accepts_row(reader, row)));
            });
        } else {
            (0..height).for_each(|row| add(row, self.matches(row as usize)));
        }
        rows.truncate(count);
        rows
    }

    /// Returns whether a row satisfies the condition.
    #[inline]
    pub fn matches(&mut self, row: usize) -> bool {
        let BoundCondition { condition, reader, comparison, cache } = self;
        let operator = condition.operator;
        if reader.has_tokens() {
            let token = reader.token(row).unwrap_or(NULL_TOKEN);
            return cache.get(token, || condition.accepts_row(reader, row));
        }
        match (&*comparison, reader.cell(row)) {
            (Comparison::Times(ranges), Cell::Time(time)) => {
                ranges.iter().any(|range| range.accepts(time, operator)) != operator.is_negative()
            }
            (Comparison::Ints(numbers), Cell::Int(number)) => {
                let accepts = |value: &i64| match operator {
                    Operator::Equal | Operator::NotEqual => number == *value,
                    operator => operator.accepts(number.cmp(value)),
                };
                numbers.iter().any(accepts) != operator.is_negative()
            }
            _ => condition.accepts(reader.text(row).as_ref()),
        }
    }
}
