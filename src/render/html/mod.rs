//! Writes layouts as HTML.
//!
//! A document is one file that loads nothing: its content security policy allows only the inline
//! style and script whose hashes it names. The templates escape all strings except those that are
//! marked as safe: the output of templates, style, script and base64.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use minijinja::value::Serde;
use minijinja::{Environment, context};
use serde::Serialize;
use sha2::{Digest, Sha256};

use super::layout::{Cell, Column, ColumnKind, Layout, Row, RowStyle, Section};
use crate::error::{Error, Result};

/// The style of all documents: colors, text and tables.
pub(crate) const BASE_STYLE: &str = include_str!("base.css");

/// A document.
pub(crate) struct Document<'a> {
    /// The title.
    pub title: &'a str,
    /// The CSS.
    pub style: &'a str,
    /// The script; empty for none. It must not contain `</script`.
    pub script: &'a str,
    /// The contents of `body`, before the script, as HTML.
    pub body: &'a str,
}

impl Document<'_> {
    /// Returns the document as text.
    ///
    /// # Errors
    /// Fails if the template cannot be rendered.
    pub(crate) fn write(&self) -> Result<String> {
        let scripts = match self.script {
            "" => String::new(),
            script => format!(" script-src '{}';", hash(script)),
        };
        let policy = format!(
            "default-src 'none';{scripts} style-src '{}'; base-uri 'none'; form-action 'none'",
            hash(self.style)
        );
        let context = context! {
            title => self.title,
            style => self.style,
            script => self.script,
            body => self.body,
            policy => policy,
            version => env!("CARGO_PKG_VERSION"),
        };
        Ok(fill("document.html", include_str!("document.html"), context)? + "\n")
    }
}

/// Fills a template. Its name must end with `.html`: all strings are then escaped.
///
/// # Errors
/// Fails if the template is invalid.
pub(crate) fn fill(name: &'static str, template: &'static str, context: minijinja::Value) -> Result<String> {
    let mut environment = Environment::new();
    environment
        .add_template(name, template)
        .and_then(|()| environment.get_template(name)?.render(context))
        .map_err(|e| Error::failed("cannot write the report as HTML").caused_by(e))
}

/// Returns the hash of an inline script or style, in the notation of content security policies.
fn hash(text: &str) -> String {
    format!("sha256-{}", STANDARD.encode(Sha256::digest(text)))
}

/// Returns a report as a document.
///
/// # Errors
/// Fails if a template cannot be rendered.
pub(super) fn write(layouts: &[Layout]) -> Result<String> {
    let title = layouts.first().map_or(String::new(), |layout| layout.title.join(" · "));
    let mut body = String::from("<main class=\"report\">\n");
    for part in layouts {
        body.push_str(&layout(part, 1)?);
    }
    body.push_str("</main>");
    Document { title: &title, style: BASE_STYLE, script: "", body: &body }.write()
}

/// Returns a layout: a heading of a level, the facts, and a table per section.
///
/// # Errors
/// Fails if the template cannot be rendered.
pub(crate) fn layout(layout: &Layout, level: u8) -> Result<String> {
    let sections: Vec<SectionView<'_>> = layout.sections.iter().map(SectionView::new).collect();
    let context = context! {
        level,
        title => Serde(&layout.title),
        facts => Serde(&layout.facts),
        sections => Serde(&sections),
    };
    fill("layout.html", include_str!("layout.html"), context)
}

/// A section as the data of the template.
#[derive(Serialize)]
struct SectionView<'a> {
    heading: Option<&'a str>,
    header: Vec<ColumnView<'a>>,
    rows: Vec<RowView<'a>>,
}

#[derive(Serialize)]
struct ColumnView<'a> {
    title: &'a str,
    class: &'static str,
}

#[derive(Serialize)]
struct RowView<'a> {
    class: &'static str,
    cells: Vec<CellView<'a>>,
}

#[derive(Serialize)]
struct CellView<'a> {
    text: &'a str,
    class: &'static str,
    /// The length of a bar, in thousandths of the longest one.
    bar: Option<usize>,
}

impl<'a> SectionView<'a> {
    fn new(section: &'a Section) -> SectionView<'a> {
        let header = |column: &'a Column| ColumnView { title: &column.title, class: class(column.kind) };
        SectionView {
            heading: section.heading.as_deref(),
            header: section.columns.iter().filter(|_| !section.hide_header).map(header).collect(),
            rows: section.rows.iter().map(|row| RowView::new(section, row)).collect(),
        }
    }
}

impl<'a> RowView<'a> {
    fn new(section: &'a Section, row: &'a Row) -> RowView<'a> {
        let cell = |(column, cell): (&Column, &'a Cell)| match cell {
            Cell::Text(text) | Cell::RowId(text) => CellView { text, class: class(column.kind), bar: None },
            Cell::Bar { thousandths } => CellView { text: "", class: "bar", bar: Some(*thousandths) },
        };
        RowView {
            class: match row.style {
                RowStyle::Plain => "plain",
                RowStyle::Faint => "faint",
                RowStyle::Strong => "strong",
            },
            cells: section.columns.iter().zip(&row.cells).map(cell).collect(),
        }
    }
}

fn class(kind: ColumnKind) -> &'static str {
    match kind {
        ColumnKind::Number => "number",
        ColumnKind::Id => "id",
        ColumnKind::Time => "time",
        ColumnKind::Bar => "bar",
        ColumnKind::Path | ColumnKind::Text | ColumnKind::WrappedText => "text",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn policy_has_the_hashes_of_style_and_script() {
        // printf 'a{}' | openssl dgst -sha256 -binary | base64
        assert_eq!(hash("a{}"), "sha256-X1RutGBrXCt9KkSaXMK7tHftWiRscFHOhxsS8tv8hBk=");
        let page =
            Document { title: "</title>", style: "a{}", script: "b()", body: "<p></p>" }.write().unwrap();
        let decoded = page.replace("&#x27;", "'").replace("&#x2f;", "/");
        let policy = format!(
            "content=\"default-src 'none'; script-src '{}'; style-src '{}'; base-uri 'none'; form-action 'none'\"",
            hash("b()"),
            hash("a{}")
        );
        assert!(decoded.contains(&policy), "{page}");
        assert!(page.contains("<style>a{}</style>") && page.contains("<script>b()</script>"), "{page}");
        assert!(decoded.contains("<title>&lt;/title&gt;</title>"), "{page}");
    }

    #[test]
    fn cells_are_escaped_and_bars_have_a_length() {
        let mut part = Section::new([Column::text("Name<"), Column::number("N"), Column::bar()]);
        part.rows.push(Row {
            cells: vec![
                Cell::Text("<script>alert(1)</script>\" onload=\"x".to_owned()),
                Cell::Text("1,000".to_owned()),
                Cell::Bar { thousandths: 250 },
            ],
            style: RowStyle::Faint,
        });
        let layout = Layout { title: vec!["T".into()], facts: vec!["a & b".into()], sections: vec![part] };
        let page = write(&[layout]).unwrap();
        assert!(!page.contains("<script"), "{page}");
        for text in [
            "&lt;script&gt;alert(1)&lt;&#x2f;script&gt;&quot; onload=&quot;x",
            "Name&lt;",
            "a &amp; b",
            r#"<rect width="250" height="10"/>"#,
            r#"<tr class="faint">"#,
        ] {
            assert!(page.contains(text), "{text} is missing in {page}");
        }
    }
}
