//! Recognizes rows: CSV with a header, TSV, and the W3C extended log format.

use super::super::input::records::first_row;

/// Rows and the names of their columns.
#[derive(Debug)]
pub struct Rows {
    /// The names.
    pub columns: Vec<String>,
    /// The fields of each row.
    pub rows: Vec<Vec<String>>,
    /// The pattern that reads the rows, if no reader of rows can.
    pub pattern: Option<String>,
    /// A description of the separator of fields.
    pub form: String,
    /// A column and its name in the first line, if a reader takes that line for a row.
    pub header: Option<(String, String)>,
    /// The conversion that the rows need before a reader can read them.
    pub conversion: Option<Conversion>,
}

/// A conversion of rows to CSV that a reader can read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Conversion {
    /// A first row with these names of columns is added.
    Header(Vec<String>),
    /// This separator is replaced by commas.
    Commas(char),
}

impl Rows {
    /// Creates rows whose reader finds the names of the columns.
    pub fn new(columns: Vec<String>, rows: Vec<Vec<String>>, form: &str) -> Rows {
        Rows { columns, rows, pattern: None, form: form.to_owned(), header: None, conversion: None }
    }
}

/// Returns the rows of lines below a `#Fields:` line.
pub fn w3c(lines: &[String]) -> Option<Rows> {
    let names = lines.iter().find_map(|line| line.strip_prefix("#Fields:"))?;
    let columns: Vec<String> = names.split_ascii_whitespace().map(str::to_owned).collect();
    let rows = lines.iter().filter(|line| !line.starts_with('#') && !line.trim().is_empty());
    let rows = rows.map(|line| {
        let separator = if line.contains('\t') { '\t' } else { ' ' };
        line.split(separator).map(str::to_owned).collect()
    });
    Some(Rows::new(columns, rows.collect(), "rows of a W3C extended log"))
}

/// Returns the rows of CSV. A header must name at least two columns, and most rows must have as
/// many fields. Without a header, all rows must have the same number of fields, at least four.
pub fn csv(lines: &[String]) -> Option<Rows> {
    let text = lines.join("\n");
    let first = first_row(text.as_bytes())?;
    let has_header = are_names(&first);
    let mut reader =
        csv::ReaderBuilder::new().has_headers(has_header).flexible(true).from_reader(text.as_bytes());
    let mut rows: Vec<Vec<String>> =
        reader.records().filter_map(Result::ok).map(|row| row.iter().map(str::to_owned).collect()).collect();
    if has_header {
        return most_fit(&first, &rows).then(|| Rows::new(first, rows, "rows of CSV, separated by commas"));
    }
    // The last row may be incomplete.
    rows.truncate(rows.len().saturating_sub(1).max(2));
    let is_csv = first.len() >= 4 && rows.len() > 1 && rows.iter().all(|row| row.len() == first.len());
    let columns: Vec<String> = (1..=first.len()).map(|number| format!("column{number}")).collect();
    let form = "rows of CSV without the names of columns";
    let conversion = Some(Conversion::Header(columns.clone()));
    is_csv.then(|| Rows { conversion, ..Rows::new(columns, rows, form) })
}

/// Returns the rows of lines whose fields are separated by semicolons or vertical bars. A pattern
/// reads them if no field contains the separator or a line feed. Otherwise they must be converted.
pub fn separated(lines: &[String]) -> Option<Rows> {
    let separator =
        [';', '|'].into_iter().find(|sign| lines.first().is_some_and(|line| line.contains(*sign)))?;
    lines_of_fields(lines, separator).or_else(|| quoted_fields(lines, separator))
}

/// Returns the rows of CSV with a separator other than the comma.
fn quoted_fields(lines: &[String], separator: char) -> Option<Rows> {
    let text = lines.join("\n");
    let mut reader = csv::ReaderBuilder::new();
    reader.delimiter(u8::try_from(separator).ok()?).has_headers(false).flexible(true);
    let rows = reader.from_reader(text.as_bytes()).into_records().filter_map(Result::ok);
    let mut rows: Vec<Vec<String>> = rows.map(|row| row.iter().map(str::to_owned).collect()).collect();
    if !rows.first().is_some_and(|first| are_names(first) && most_fit(first, &rows)) {
        return None;
    }
    let columns = rows.remove(0);
    let form = format!("rows of CSV, separated by {}", name_of(separator));
    Some(Rows { conversion: Some(Conversion::Commas(separator)), ..Rows::new(columns, rows, &form) })
}

/// Returns rows of one line each.
fn lines_of_fields(lines: &[String], separator: char) -> Option<Rows> {
    let is_quoted = lines.iter().any(|line| line.contains('"'));
    let field = |field: &str| if is_quoted { field.trim_matches('"') } else { field }.to_owned();
    let mut rows: Vec<Vec<String>> =
        lines.iter().map(|line| line.trim_end().split(separator).map(field).collect()).collect();
    let names = rows.first().filter(|first| are_names(first) && most_fit(first, &rows))?;
    let columns = group_names(names);
    let header = columns.first().cloned().zip(names.first().cloned());
    rows.remove(0);
    let group = |name: &String| match is_quoted {
        true => format!("\"?(?<{name}>[^{separator}\"]*)\"?"),
        false => format!("(?<{name}>[^{separator}]*)"),
    };
    let groups: Vec<String> = columns.iter().map(group).collect();
    let pattern = Some(format!(r"^{}\s*$", groups.join(&format!("[{separator}]"))));
    let form = format!("rows, separated by {}", name_of(separator));
    Some(Rows { pattern, header, ..Rows::new(columns, rows, &form) })
}

/// Returns the name of a separator, in the plural.
fn name_of(separator: char) -> &'static str {
    if separator == ';' { "semicolons" } else { "vertical bars" }
}

/// Returns names that the groups of a pattern can have: letters, digits and underscores, beginning
/// with a letter. Each name is different.
fn group_names(columns: &[String]) -> Vec<String> {
    let mut names: Vec<String> = Vec::with_capacity(columns.len());
    for (index, column) in columns.iter().enumerate() {
        let mut name: String = column.chars().map(|c| if c.is_alphanumeric() { c } else { '_' }).collect();
        if !name.starts_with(char::is_alphabetic) {
            name = format!("column{}", index + 1);
        }
        // `Page (old)` and `Page [old]` have the same letters.
        while names.contains(&name) {
            name.push('_');
        }
        names.push(name);
    }
    names
}

/// Returns the rows of lines with tabs. The first line may name the columns.
pub fn tsv(lines: &[String]) -> Option<Rows> {
    let mut rows: Vec<Vec<String>> =
        lines.iter().map(|line| line.split('\t').map(str::to_owned).collect()).collect();
    let width = rows.first()?.len();
    if width < 2 || !most_fit(rows.first()?, &rows) {
        return None;
    }
    let mut header = None;
    let columns: Vec<String> = match are_names(rows.first()?) && rows.len() > 1 {
        true => {
            let names = rows.remove(0);
            let columns: Vec<String> =
                names.iter().map(|name| name.replace(char::is_whitespace, "_")).collect();
            header = columns.first().cloned().zip(names.first().cloned());
            columns
        }
        false => (1..=width).map(|number| format!("column{number}")).collect(),
    };
    Some(Rows { header, ..Rows::new(columns, rows, "rows, separated by tabs") })
}

/// Returns whether fields can be the names of columns: several different strings that begin with a
/// letter, `_`, `@` or `$`.
fn are_names(fields: &[String]) -> bool {
    let is_name = |name: &String| name.starts_with(|sign: char| sign.is_alphabetic() || "_@$".contains(sign));
    let mut sorted: Vec<&String> = fields.iter().collect();
    sorted.sort_unstable();
    sorted.dedup();
    fields.len() > 1 && sorted.len() == fields.len() && fields.iter().all(is_name)
}

fn most_fit(columns: &[String], rows: &[Vec<String>]) -> bool {
    let fit = rows.iter().filter(|row| row.len() == columns.len()).count();
    fit > 0 && fit * 4 >= rows.len() * 3
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &str) -> Vec<String> {
        text.lines().map(str::to_owned).collect()
    }

    #[test]
    fn prose_with_commas_is_not_csv() {
        assert!(csv(&lines("Dear all, hello\nthis is a text, with commas, and more\nbye")).is_none());
        assert!(csv(&lines("1,2\n3,4")).is_none());
        assert!(csv(&lines("a,a\n3,4")).is_none());
        assert_eq!(csv(&lines("a,b\n\"x\ny\",4")).unwrap().rows, [["x\ny", "4"]]);
        // Without a header, several rows of the same width are needed.
        let rows = csv(&lines("1,\"a\nb\",,x\n2,c,,y\n3,d,,z")).unwrap();
        let columns = ["column1", "column2", "column3", "column4"].map(str::to_owned).to_vec();
        assert_eq!((&rows.columns, rows.conversion), (&columns, Some(Conversion::Header(columns.clone()))));
        assert_eq!(rows.rows[0][1], "a\nb");
        assert!(csv(&lines("1,2,3,4\n1,2,3\n1")).is_none() && csv(&lines("1,2,3,4")).is_none());
    }

    #[test]
    fn rows_with_semicolons_get_a_pattern() {
        let rows = separated(&lines("When;Who says\n1;2\n3;4")).unwrap();
        assert_eq!(rows.columns, ["When", "Who_says"]);
        assert_eq!(rows.pattern.unwrap(), r"^(?<When>[^;]*)[;](?<Who_says>[^;]*)\s*$");
        assert_eq!(rows.header, Some(("When".into(), "When".into())));
        let rows = separated(&lines("\"a\";\"b c\"\n\"1\";2")).unwrap();
        assert_eq!(rows.pattern.unwrap(), "^\"?(?<a>[^;\"]*)\"?[;]\"?(?<b_c>[^;\"]*)\"?\\s*$");
        assert_eq!(
            (rows.rows, rows.header),
            (vec![vec!["1".to_owned(), "2".into()]], Some(("a".into(), "a".into())))
        );
        assert!(separated(&lines("a;b\nc")).is_none() && separated(&lines("a b")).is_none());
        let rows = separated(&lines("Größe;_2;Page (old);Page [old]\n1;2;3;4")).unwrap();
        assert_eq!(rows.columns, ["Größe", "column2", "Page__old_", "Page__old__"]);
    }

    #[test]
    fn separators_in_quotes_need_a_conversion() {
        let rows = separated(&lines("Zeit;Text\n\"9:00\";\"Hallo; \"\"du\"\"\nda\"\n10:00;x")).unwrap();
        assert_eq!(rows.columns, ["Zeit", "Text"]);
        assert_eq!(rows.rows, [["9:00", "Hallo; \"du\"\nda"], ["10:00", "x"]]);
        assert_eq!((rows.pattern, rows.conversion), (None, Some(Conversion::Commas(';'))));
    }

    #[test]
    fn names_of_columns_can_begin_with_a_sign() {
        assert_eq!(csv(&lines("@timestamp,@message\n1,2")).unwrap().columns, ["@timestamp", "@message"]);
        assert!(csv(&lines("1st,2nd\n1,2")).is_none());
    }

    #[test]
    fn rows_with_tabs_must_have_the_same_width() {
        assert_eq!(tsv(&lines("a\tb c\n1\t2")).unwrap().columns, ["a", "b_c"]);
        assert_eq!(tsv(&lines("1\t2\n3\t4")).unwrap().columns, ["column1", "column2"]);
        assert!(tsv(&lines("a\tb\nc\nd\ne")).is_none());
        assert!(tsv(&lines("")).is_none());
    }
}
