//! A layout as Markdown, for pasting into an issue or a chat.

use super::layout::{Column, ColumnKind, Layout, Row, Section};

/// Writes a layout: a heading, facts, and a table a part; no bars.
pub fn write(layout: &Layout) -> String {
    let mut out = String::new();
    let title: Vec<String> = layout.title.iter().map(|piece| escape(piece)).collect();
    out.push_str(&format!("## {}\n", title.join(" · ")));
    if !layout.facts.is_empty() {
        let facts: Vec<String> = layout.facts.iter().map(|fact| escape(fact)).collect();
        out.push_str(&format!("\n{}\n", facts.join("; ")));
    }
    for part in &layout.sections {
        if let Some(heading) = &part.heading {
            out.push_str(&format!("\n### {}\n", escape(heading)));
        }
        out.push('\n');
        write_part(part, &mut out);
    }
    out
}

fn write_part(part: &Section, out: &mut String) {
    if part.rows.is_empty() {
        out.push_str("nothing\n");
        return;
    }
    let shown = |column: &Column| column.kind != ColumnKind::Bar;
    let row = |cells: &mut dyn Iterator<Item = String>| {
        let mut line = "|".to_owned();
        cells.for_each(|cell| line.push_str(&format!(" {cell} |")));
        line.push('\n');
        line
    };
    let columns = || part.columns.iter().filter(|column| shown(column));
    // A table needs titles, though they may be empty.
    let title = |column: &Column| if part.hide_header { String::new() } else { escape(&column.title) };
    out.push_str(&row(&mut columns().map(title)));
    let rule = |column: &Column| if column.kind == ColumnKind::Number { "---:" } else { "---" }.to_owned();
    out.push_str(&row(&mut columns().map(rule)));
    for Row { cells, .. } in &part.rows {
        let cells = part.columns.iter().zip(cells).filter(|(column, _)| shown(column));
        out.push_str(&row(&mut cells.map(|(_, cell)| escape(cell))));
    }
}

/// Escapes what Markdown acts upon. Underscores within a word, as in `message_sent`, mean nothing
/// to it and stay.
pub fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len() + 8);
    let mut before = ' ';
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        let within = before.is_alphanumeric() && rest.peek().is_some_and(|next| next.is_alphanumeric());
        match c {
            '\\' | '|' | '*' | '`' | '[' | ']' | '<' | '>' | '~' => escaped.extend(['\\', c]),
            '_' if !within => escaped.push_str("\\_"),
            '&' => escaped.push_str("&amp;"),
            c => escaped.push(c),
        }
        before = c;
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_markdown_acts_upon_is_escaped() {
        assert_eq!(escape("message_sent"), "message_sent");
        assert_eq!(
            escape("_x_ a|b `c` <b> [l](u) *s* &amp;"),
            "\\_x\\_ a\\|b \\`c\\` \\<b\\> \\[l\\](u) \\*s\\* &amp;amp;"
        );
    }
}
