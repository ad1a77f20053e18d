//! All figures of a page equal those of `wa report --format json`.

use serde_json::Value;

use super::decoded::{DecodedGroup, Page};
use super::{logs, sample};
use crate::harness::{Run, Sandbox};

/// Checks a value of a page against a number of the JSON report.
fn assert_value(at: &str, value: Option<i64>, factor: i64, expected: &Value) {
    let hundredths = expected.as_f64().map(|number| (number * 100.0).round() as i64);
    assert_eq!(value.map(|value| value * factor), hundredths, "{at}: {expected}");
}

fn json_text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// Returns a name as a page shows it. Hours and weekdays of conversations are numbers in JSON.
fn shown_name(at: &str, key: &str, value: &Value) -> String {
    const WEEKDAYS: [&str; 7] =
        ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];
    match (at.starts_with("conversations"), key, value.as_u64()) {
        (true, "hour", Some(hour)) => format!("{hour:02}:00"),
        (true, "weekday", Some(number)) => WEEKDAYS[number as usize - 1].to_owned(),
        _ => json_text(value),
    }
}

/// Checks the rows of a group against an object or a list of JSON.
fn assert_group(at: &str, group: &DecodedGroup, expected: &Value) {
    let single = std::slice::from_ref(expected);
    let expected_rows = if group.is_single { single } else { expected.as_array().expect(at).as_slice() };
    assert_eq!(group.rows.len(), expected_rows.len(), "{at}");
    // Only a list with the maximum of 25 rows may hide others.
    assert!(group.hidden == 0 || group.rows.len() == 25, "{at}");
    for ((names, values), row) in group.rows.iter().zip(expected_rows) {
        for (key, name) in group.names.iter().zip(names) {
            assert_eq!(*name, shown_name(at, key, &row[key]), "{at}.{key}");
        }
        for ((key, factor), value) in group.metrics.iter().zip(values) {
            assert!(row.get(key).is_some(), "{at}.{key} is not in {row}");
            assert_value(&format!("{at}.{key}"), *value, *factor, &row[key]);
        }
    }
}

/// Checks a comparison against that of the JSON report.
fn assert_comparison(page: &Page, at: &str, group: &DecodedGroup, expected: &Value) {
    let previous = group.previous.as_ref().expect(at);
    if group.is_single {
        let values = previous.as_array().unwrap();
        let (values, percents) = values.split_at(group.metrics.len());
        for (((key, factor), value), percent) in group.metrics.iter().zip(values).zip(percents) {
            assert_value(&format!("{at}.{key}"), value.as_i64(), *factor, &expected[key]["previous"]);
            assert_value(&format!("{at}.{key} %"), percent.as_i64(), 1, &expected[key]["change_percent"]);
        }
        return;
    }
    let rows = page.rows(previous, group.names.len(), group.metrics.len());
    let expected = expected.as_array().unwrap();
    assert_eq!(rows.len(), expected.len(), "{at}");
    for ((names, values), row) in rows.iter().zip(expected) {
        assert_eq!(names[0], json_text(&row[&group.names[0]]), "{at}");
        for ((key, factor), value) in group.metrics.iter().zip(values) {
            assert_value(&format!("{at}.{key}"), *value, *factor, &row[key]["previous"]);
        }
    }
}

/// Checks cohorts, which JSON nests, and their means.
fn assert_retention(at: &str, page: &Page, group: &DecodedGroup, means: &Value, expected: &Value) {
    let mut rows = group.rows.iter();
    for cohort in expected["cohorts"].as_array().unwrap() {
        for period in cohort["periods"].as_array().unwrap() {
            let (names, values) = rows.next().expect(at);
            let expected_names = [&cohort["cohort"], &period["period"], &period["complete"]].map(json_text);
            assert_eq!(names.as_slice(), expected_names, "{at}");
            assert_value(at, values[0], 100, &cohort["visitors"]);
            assert_value(at, values[1], 100, &period["visitors"]);
            assert_value(at, values[2], 1, &period["rate"]);
        }
    }
    assert!(rows.next().is_none(), "{at}");
    let expected = expected["mean"].as_array().unwrap();
    if let Some(means) = means.as_array() {
        assert_eq!(means.len() + 1, expected.len(), "{at}");
        for (mean, expected) in means.iter().zip(&expected[1..]) {
            assert_value(at, mean.as_i64(), 1, &expected["rate"]);
        }
    } else {
        assert!(group.rows.iter().all(|(_, values)| values[0] == Some(0)), "{at}");
    }
    assert!(page.data["version"] == 1);
}

/// Returns the JSON of a report.
fn report(sandbox: &Sandbox, arguments: &[&str]) -> Value {
    let run: Run = sandbox.run(["report"].iter().chain(arguments).chain(&["--format", "json"]));
    run.json()
}

/// Returns the arguments without the limit, which some reports do not have.
fn without_limit_of<'a>(arguments: &[&'a str]) -> Vec<&'a str> {
    arguments.iter().copied().filter(|word| !["--limit", "25"].contains(word)).collect()
}

/// Returns the day before a day, both `YYYY-MM-DD`.
fn day_before(day: &str) -> String {
    let day: chrono::NaiveDate = day.parse().unwrap();
    day.pred_opt().unwrap().to_string()
}

/// Checks every answer of a page.
fn assert_agreement(sandbox: &Sandbox, page: &Page, options: &[&str]) -> usize {
    let mut checked = 0;
    for (scope, chatbots) in page.scopes().iter().enumerate() {
        for (number, window) in page.windows().iter().enumerate() {
            let days = window.days.to_string();
            let mut arguments = vec!["--days", &days, "--to", &window.to, "--limit", "25"];
            arguments.extend(chatbots.iter().flat_map(|id| ["--chatbot", id.as_str()]));
            arguments.extend(options);
            let all = report(sandbox, &[&["all", "--compare"], arguments.as_slice()].concat());
            let interval = match window.days {
                ..=14 => "day",
                15..=180 => "week",
                _ => "month",
            };
            let without_limit = without_limit_of(&arguments);
            let retention =
                report(sandbox, &[&["retention", "--interval", interval], &*without_limit].concat());
            // The visitors of the previous period equal a report that ends before the window.
            let mut previous = arguments.clone();
            let before = day_before(&window.from);
            previous[3] = &before;
            let previous = report(sandbox, &[&["visitors"], &*without_limit_of(&previous)].concat());
            for (part, name) in page.parts().iter().enumerate() {
                let at = format!("{name}, {chatbots:?}, {days} days");
                for group in page.groups(scope, number, part) {
                    if name == "retention" {
                        let means = &page.answer(scope, number, part)[4];
                        assert_retention(&at, page, &group, means, &retention);
                        continue;
                    }
                    let answer = if name == "previous_visitors" { &previous } else { &all[name] };
                    // JSON has the main figures of conversations at the top level.
                    let is_flat = name == "conversations" && group.name == "conversations";
                    let at = format!("{at}: {}", group.name);
                    assert_group(&at, &group, if is_flat { answer } else { &answer[&group.name] });
                    if group.previous.is_some() {
                        assert_comparison(page, &at, &group, &answer["comparison"][&group.name]);
                    }
                    checked += group.rows.len();
                }
            }
        }
    }
    checked
}

#[test]
fn figures_of_the_sample_data_equal_those_of_reports() {
    let sandbox = sample();
    let page = Page::new(&sandbox.wa("dashboard --as-of latest").exits(0).stdout);
    assert_eq!(page.scopes().len(), 5);
    let parts = page.parts();
    for name in ["summary", "trends", "retention", "funnel", "conversations", "heatmap", "performance"] {
        assert!(parts.iter().any(|part| part == name), "{name}");
    }
    let compared = page.groups(0, 0, page.part("summary"))[0].previous.is_some();
    assert!(compared && page.groups(0, 0, page.part("trends"))[0].previous.is_some());
    assert!(parts.iter().any(|part| part == "previous_visitors"));
    let checked = assert_agreement(&sandbox, &page, &[]);
    assert!(checked > 10_000, "{checked} rows");
}

#[test]
fn figures_of_many_chatbots_over_two_years_equal_reports() {
    let sandbox = Sandbox::new();
    sandbox.write("log.ndjson", logs::busy(23, 700, 4_000));
    sandbox.wa("ingest -q log.ndjson").exits(0);
    let path = sandbox.path("wa-store/wa.toml");
    let settings = std::fs::read_to_string(&path).unwrap();
    let goals = "\n[goals]\nrated = \"feedback_given\"\n";
    std::fs::write(&path, settings + goals).unwrap();
    let page = Page::new(&sandbox.wa("dashboard").exits(0).stdout);
    assert_eq!((page.scopes().len(), page.data["otherCount"].as_u64()), (21, Some(3)));
    assert!(page.parts().contains(&"goals".to_owned()));
    let checked = assert_agreement(&sandbox, &page, &[]);
    assert!(checked > 40_000, "{checked} rows");
    // A page with a filter and bot sessions agrees as well.
    let options = ["--where", "country_code=DE|AT", "--include-bots"];
    let arguments = ["dashboard", "--days", "30", "--chatbot", "bot-00", "--chatbot", "bot-01"];
    let page = Page::new(&sandbox.run(arguments.iter().chain(&options)).exits(0).stdout);
    assert_eq!((page.scopes().len(), page.windows().len()), (3, 2));
    assert!(assert_agreement(&sandbox, &page, &options) > 1_000);
}

#[test]
fn figures_of_a_pruned_store_equal_those_of_reports() {
    let sandbox = Sandbox::new();
    sandbox.write("log.ndjson", logs::busy(2, 120, 600));
    sandbox.wa("ingest -q log.ndjson").exits(0);
    sandbox.wa("gc -q --keep-events 20d --keep-sessions 50d --yes").exits(0);
    let run = sandbox.wa("dashboard").exits(0);
    let page = Page::new(&run.stdout);
    assert_agreement(&sandbox, &page, &[]);
    // The visitors of a year are unknown, and the page says why.
    assert_eq!(page.figure(0, 3, "summary", "unique_visitors"), None);
    assert!(page.figure(0, 1, "summary", "unique_visitors").is_some());
    let notes = page.answer(0, 3, page.part("summary"))[2].to_string();
    assert!(notes.len() > 2 && page.json.contains("are pruned"), "{notes}");
}

/// The odd and the even lines of a log are ingested into two stores, which are then merged. Almost
/// every session has events in both.
#[test]
fn page_of_merged_stores_equals_that_of_one_store() {
    let sandbox = Sandbox::new();
    let log = logs::busy(4, 120, 800);
    let of_parity = |parity: usize| {
        log.lines().skip(parity).step_by(2).map(|line| format!("{line}\n")).collect::<String>()
    };
    sandbox.write("all.ndjson", &log);
    sandbox.write("even.ndjson", of_parity(0));
    sandbox.write("odd.ndjson", of_parity(1));
    sandbox.wa("--store one ingest -q all.ndjson").exits(0);
    for (store, input) in [("even", "even.ndjson"), ("odd", "odd.ndjson")] {
        // Stores can be merged if they have the same key.
        std::fs::create_dir(sandbox.path(store)).unwrap();
        std::fs::copy(sandbox.path("one/key"), sandbox.path(&format!("{store}/key"))).unwrap();
        sandbox.wa(&format!("--store {store} ingest -q {input}")).exits(0);
    }
    sandbox.wa("--quiet --store merged merge even odd").exits(0);
    let data = |store: &str| {
        let mut page = Page::new(&sandbox.wa(&format!("--store {store} dashboard")).exits(0).stdout);
        assert_eq!((page.scopes().len(), page.windows().len()), (5, 4));
        // The files and the last ingest differ.
        assert!(page.data.as_object_mut().unwrap().remove("health").is_some());
        page.data
    };
    let (one, merged) = (data("one"), data("merged"));
    for key in one.as_object().unwrap().keys() {
        assert_eq!(merged[key], one[key], "{key}");
    }
    assert_eq!(merged, one);
    assert_ne!(data("even")["answers"], one["answers"]);
}
