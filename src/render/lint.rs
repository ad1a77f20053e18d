//! Lays out the findings of `wa lint`.

use super::layout::{Column, Layout, Section};
use super::numbers::{group_digits, pluralize};
use super::text::escape_control;
use super::{Style, table};
use crate::lint::{Finding, LintReport};

/// Returns the findings as a table, at most `limit` of them. `scope` contains the parts of the
/// title after "Lint".
pub(crate) fn lint_table(
    report: &LintReport,
    scope: Vec<String>,
    limit: Option<usize>,
    style: &Style,
) -> String {
    let mut section =
        Section::new([Column::number("events"), Column::wrapped("event"), Column::wrapped("finding")]);
    let listed = report.findings.iter().take(limit.unwrap_or(usize::MAX));
    listed.for_each(|finding| section.push(cells(finding)));
    let mut facts = vec![format!(
        "{} in {} of {}",
        pluralize(report.findings.len() as u64, "finding", "findings"),
        pluralize(report.events, "event", "events"),
        pluralize(report.event_names, "name", "names"),
    )];
    let hidden = report.findings.len() - section.rows.len();
    if hidden > 0 {
        facts.push(format!("{} not shown: use --limit all", group_digits(hidden as u64)));
    }
    if report.untracked > 0 {
        facts.push(format!(
            "{} had further findings, which are not listed: there are too many different ones",
            pluralize(report.untracked, "event", "events")
        ));
    }
    let title = ["Lint".to_owned()].into_iter().chain(scope).collect();
    let sections = if section.rows.is_empty() { Vec::new() } else { vec![section] };
    table::draw(&Layout { title, facts, sections }, style)
}

fn cells(finding: &Finding) -> [String; 3] {
    let mut event = escape_control(&finding.event_name).into_owned();
    if let Some(property) = &finding.property {
        event.push_str(&format!(" ({})", escape_control(property)));
    }
    let mut text = format!("{}: {}", finding.rule.name(), escape_control(&finding.message));
    let samples: Vec<String> = finding
        .samples
        .iter()
        .filter_map(|sample| sample.value.as_deref())
        .map(|value| escape_control(value).into_owned())
        .collect();
    if !samples.is_empty() {
        text.push_str(&format!(" ({})", samples.join(" | ")));
    }
    [group_digits(finding.events), event, text]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lint::{Rule, Sample};

    #[test]
    fn findings_fit_eighty_columns_and_are_escaped() {
        let sample = |value: &str| Sample {
            value: Some(value.to_owned()),
            session_id: None,
            timestamp: "2026-11-09T00:00:00Z".to_owned(),
        };
        let report = LintReport {
            events: 1234,
            event_names: 2,
            findings: vec![
                Finding {
                    rule: Rule::EmailAddress,
                    event_name: "form_submitted".to_owned(),
                    property: Some("contact.email".to_owned()),
                    events: 1200,
                    message: "contains an email address".to_owned(),
                    samples: vec![sample("a***@***.com"), sample("\u{1b}[31m")],
                },
                Finding {
                    rule: Rule::NameCase,
                    event_name: "Button".to_owned(),
                    property: None,
                    events: 3,
                    message: "is not snake_case: write button".to_owned(),
                    samples: Vec::new(),
                },
            ],
            untracked: 0,
        };
        let text = lint_table(&report, vec!["2 files".to_owned()], Some(1), &Style::plain(80));
        assert!(text.starts_with("Lint · 2 files\n2 findings in 1,234 events of 2 names\n"), "{text}");
        assert!(text.contains("1 not shown: use --limit all"), "{text}");
        assert!(text.contains("1,200"), "{text}");
        assert!(!text.contains('\u{1b}') && !text.contains("Button"), "{text}");
        assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
    }
}
