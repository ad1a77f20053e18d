//! The document: the controls, containers for the sections, the data and the script.

use minijinja::context;
use minijinja::value::Serde;

use crate::error::Result;
use crate::render::html::{BASE_STYLE, Document, fill};

/// The script is wrapped in a function, so that it defines no global names.
const SCRIPT: &str = concat!(
    "(() => {\n'use strict';\n",
    include_str!("assets/data.js"),
    include_str!("assets/format.js"),
    include_str!("assets/dom.js"),
    include_str!("assets/table.js"),
    include_str!("assets/series.js"),
    include_str!("assets/figures.js"),
    include_str!("assets/lists.js"),
    include_str!("assets/grids.js"),
    include_str!("assets/talks.js"),
    include_str!("assets/health.js"),
    include_str!("assets/main.js"),
    "})();\n"
);

const STYLE: &str = include_str!("assets/dashboard.css");

/// Returns the document. `data` is the compressed data; `fallback` contains the HTML tables that
/// are shown without JavaScript.
///
/// # Errors
/// Fails if a template cannot be rendered.
pub(super) fn write(data: &str, fallback: &[String]) -> Result<String> {
    let body =
        fill("page.html", include_str!("assets/page.html"), context! { data, fallback => Serde(fallback) })?;
    let style = format!("{BASE_STYLE}{STYLE}");
    Document { title: "Chat widget analytics", style: &style, script: SCRIPT, body: &body }.write()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn script_and_style_cannot_end_their_elements() {
        for text in [SCRIPT, STYLE, BASE_STYLE] {
            let lower = text.to_lowercase();
            assert!(!lower.contains("</script") && !lower.contains("<!--") && !lower.contains("</style"));
        }
    }

    #[test]
    fn script_puts_no_markup_into_the_page_and_loads_nothing() {
        for word in [
            "innerHTML",
            "outerHTML",
            "insertAdjacentHTML",
            "document.write",
            "DOMParser",
            "eval(",
            "new Function",
            "fetch(",
            "XMLHttpRequest",
            "WebSocket",
            "sendBeacon",
            "import(",
            ".src",
            "setAttribute('on",
            "setAttribute('style'",
        ] {
            assert!(!SCRIPT.contains(word), "{word}");
        }
        assert!(!STYLE.contains("url(") && !STYLE.contains("@import"));
        assert!(!BASE_STYLE.contains("url(") && !BASE_STYLE.contains("@import"));
    }
}
