//! Generated pages of the built-in maps: `docs/formats.md`, and one page per map.

use super::reference::Page;
use crate::ingest::presets::{self, Description};
use crate::render::text::wrap_lines;

/// The event name of requests for style sheets, scripts, images and similar files.
const ASSET: &str = "asset_requested";

/// Returns the pages.
pub(super) fn pages() -> Vec<Page> {
    let mut pages = vec![Page { file: "formats.md".to_owned(), text: index() }];
    for (map, description) in presets::descriptions() {
        let text = page(&map.name, &map.about, map.is_wrapping(), &description);
        pages.push(Page { file: format!("formats/{}.md", map.name), text });
    }
    pages
}

/// Returns the page that lists the maps.
fn index() -> String {
    let mut text = String::from(
        "# Built-in maps\n\n\
         Generated from the built-in maps. Do not edit this page: run\n\
         `UPDATE_DOCS=1 cargo test --release --test cli`.\n\n\
         [Your log looks different](your-log-looks-different.md) shows how to use them, and\n\
         [maps](maps.md) describes the language. `wa formats` also lists them.\n",
    );
    for (title, wrappings) in [("Formats", false), ("Wrappings", true)] {
        text.push_str(&format!("\n## {title}\n\n"));
        for (map, _) in presets::descriptions().filter(|(map, _)| map.is_wrapping() == wrappings) {
            push_item(&format!("[{0}](formats/{0}.md): {1}", map.name, map.about), &mut text);
        }
    }
    text
}

fn page(name: &str, about: &str, is_wrapping: bool, map: &Description) -> String {
    let mut text = format!(
        "# {name}\n\n{about}.\n\n\
         Generated from `src/ingest/map/presets/{name}.toml`. Do not edit this page: run\n\
         `UPDATE_DOCS=1 cargo test --release --test cli`. [Maps](../maps.md) describes the language, and\n\
         [built-in maps](../formats.md) lists the others.\n"
    );
    section("Export", &mut text);
    push_paragraph(&map.export, &mut text);
    text.push_str(&format!(
        "\n```sh\nwa ingest FILE --chatbot NAME\nwa formats show {name} > my.toml\n```\n"
    ));

    section("Detection", &mut text);
    let conditions =
        if map.detection.len() == 1 { "this condition holds" } else { "all of these conditions hold" };
    push_paragraph(
        &format!("Form: {}. A record matches if {conditions}:", map.readers.join(", or ")),
        &mut text,
    );
    text.push('\n');
    push_items(&map.detection, &mut text);

    if !map.places.is_empty() {
        section(if is_wrapping { "Wrapped values" } else { "Events in a record" }, &mut text);
        let pointers = if map.places.len() == 1 { "this pointer" } else { "these pointers" };
        let places = match is_wrapping {
            true => "`wa` then detects the format of the values at",
            false => "The events are at",
        };
        text.push_str(&format!("{places} {pointers}:\n\n"));
        push_items(&map.places, &mut text);
    }
    if !map.columns.is_empty() {
        section(if is_wrapping { "Columns that the wrapping supplies" } else { "Columns" }, &mut text);
        push_pairs(&map.columns, &mut text);
        let times = match map.local_epoch {
            true => "Times without an offset, numbers included, are in UTC",
            false => "Times without an offset are in UTC",
        };
        text.push('\n');
        push_paragraph(&format!("{times}; `--timezone` names another zone."), &mut text);
    }
    if !map.nulls.is_empty() {
        push_paragraph(&format!("\nAlso read as null: {}.", map.nulls.join(", ")), &mut text);
    }
    if !map.properties.is_empty() {
        section("Properties", &mut text);
        text.push_str("Keys that are set in `properties`:\n\n");
        push_pairs(&map.properties, &mut text);
    }
    if !map.names.is_empty() {
        section("Names of events", &mut text);
        push_names(&map.names, &mut text);
    }
    section("Everything else", &mut text);
    if !map.ignored.is_empty() {
        text.push_str("Ignored:\n\n");
        push_items(&map.ignored, &mut text);
        text.push('\n');
    }
    let rest = match is_wrapping {
        true => "The other members of the record are not stored.",
        false => "Members that were not copied unchanged to a column are stored in `extra`.",
    };
    push_paragraph(rest, &mut text);
    text
}

fn section(title: &str, text: &mut String) {
    text.push_str(&format!("\n## {title}\n\n"));
}

/// Appends the names, with one item for all requests for assets.
fn push_names(names: &[(String, String)], text: &mut String) {
    let mut assets = false;
    for (old, new) in names {
        if new != ASSET {
            if old.ends_with("*?*") {
                // The pattern without a query has the same name.
                continue;
            }
            let subject = match old.trim() {
                "" => "no name".to_owned(),
                "*" if old.starts_with(' ') => "a request without a method".to_owned(),
                _ => format!("`{old}`"),
            };
            push_item(&format!("{subject} becomes `{new}`"), text);
        } else if !std::mem::replace(&mut assets, true) {
            let assets = "requests for style sheets, scripts, images, fonts and media become";
            push_item(&format!("{assets} `{ASSET}`, without a page URL"), text);
        }
    }
}

/// Appends an item for each key, with its values on one line. Alternatives with conditions are on
/// separate lines.
fn push_pairs(pairs: &[(String, Vec<String>)], text: &mut String) {
    for (key, values) in pairs {
        let has_conditions = values.len() > 1 && values.iter().any(|value| value.contains(" if "));
        if !has_conditions {
            push_item(&format!("`{key}`: {}", values.join(", else ")), text);
            continue;
        }
        text.push_str(&format!("- `{key}`: the first of\n"));
        for value in values {
            text.push_str(&format!("  - {}\n", wrap(value, 96, "    ")));
        }
    }
}

fn push_items(items: &[String], text: &mut String) {
    items.iter().for_each(|item| push_item(item, text));
}

fn push_item(item: &str, text: &mut String) {
    text.push_str(&format!("- {}\n", wrap(item, 98, "  ")));
}

fn push_paragraph(paragraph: &str, text: &mut String) {
    let (blank, paragraph) = match paragraph.strip_prefix('\n') {
        Some(rest) => ("\n", rest),
        None => ("", paragraph),
    };
    text.push_str(&format!("{blank}{}\n", wrap(paragraph, 100, "")));
}

/// Wraps text between words, and indents all lines but the first. Words longer than `width` stay
/// whole.
fn wrap(text: &str, width: usize, indentation: &str) -> String {
    wrap_lines(text, width).trim_end().replace('\n', &format!("\n{indentation}"))
}
