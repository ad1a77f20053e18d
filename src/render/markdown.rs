//! Writes layouts as Markdown.

use super::layout::{Cell, Column, ColumnKind, Layout, Section};

/// Returns a layout as Markdown: a heading, the facts, and a table per section, without bars.
pub(super) fn write(layout: &Layout) -> String {
    let mut out = String::new();
    let title: Vec<String> = layout.title.iter().map(|part| escape(part)).collect();
    out.push_str(&format!("## {}\n", title.join(" · ")));
    if !layout.facts.is_empty() {
        let facts: Vec<String> = layout.facts.iter().map(|fact| escape(fact)).collect();
        out.push_str(&format!("\n{}\n", facts.join("; ")));
    }
    for section in &layout.sections {
        if let Some(heading) = &section.heading {
            out.push_str(&format!("\n### {}\n", escape(heading)));
        }
        out.push('\n');
        write_section(section, &mut out);
    }
    out
}

fn write_section(section: &Section, out: &mut String) {
    if section.rows.is_empty() {
        out.push_str("no data\n");
        return;
    }
    let columns: Vec<(usize, &Column)> =
        section.columns.iter().enumerate().filter(|(_, column)| column.kind != ColumnKind::Bar).collect();
    // A Markdown table has a header, even if it is empty.
    let title = |column: &Column| if section.hide_header { String::new() } else { escape(&column.title) };
    let rule = |column: &Column| if column.kind == ColumnKind::Number { "---:" } else { "---" }.to_owned();
    write_row(columns.iter().map(|(_, column)| title(column)), out);
    write_row(columns.iter().map(|(_, column)| rule(column)), out);
    for row in &section.rows {
        let texts = columns.iter().map(|(index, _)| match row.cells.get(*index) {
            Some(Cell::Text(text) | Cell::RowId(text)) => escape(text),
            Some(Cell::Bar { .. }) | None => String::new(),
        });
        write_row(texts, out);
    }
}

fn write_row(cells: impl Iterator<Item = String>, out: &mut String) {
    out.push('|');
    cells.for_each(|cell| out.push_str(&format!(" {cell} |")));
    out.push('\n');
}

/// Escapes the characters that Markdown interprets. Underscores within a word, as in
/// `message_sent`, have no meaning in Markdown and are kept.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len() + 8);
    let mut previous = ' ';
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        let in_word = previous.is_alphanumeric() && rest.peek().is_some_and(|next| next.is_alphanumeric());
        match c {
            '\\' | '|' | '*' | '`' | '[' | ']' | '<' | '>' | '~' => escaped.extend(['\\', c]),
            '_' if !in_word => escaped.push_str("\\_"),
            '&' => escaped.push_str("&amp;"),
            c => escaped.push(c),
        }
        previous = c;
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markdown_characters_are_escaped() {
        assert_eq!(escape("message_sent"), "message_sent");
        assert_eq!(
            escape("_x_ a|b `c` <b> [l](u) *s* &amp;"),
            "\\_x\\_ a\\|b \\`c\\` \\<b\\> \\[l\\](u) \\*s\\* &amp;amp;"
        );
    }
}
