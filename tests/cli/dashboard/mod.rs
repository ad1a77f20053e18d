//! `wa dashboard`: the figures, the safety and the size of the page.

mod agreement;
mod decoded;
mod logs;
mod safety;

use crate::harness::{Sandbox, root};
use decoded::Page;

/// The chatbots of the sample data.
const CHATBOTS: [&str; 4] =
    ["3f2b8c1e-7d54-4c0a-9b1e-52a6d0c4e8f7", "city-library", "harbor-coffee", "help-center"];

/// Returns a sandbox with a store of the sample data.
fn sample() -> Sandbox {
    let sandbox = Sandbox::new();
    let logs = root().join("sample-data");
    let names = std::fs::read_dir(&logs).unwrap().map(|entry| entry.unwrap().path());
    let files = names.filter(|path| path.to_string_lossy().contains(".ndjson"));
    let arguments = ["ingest".into(), "-q".into()].into_iter().chain(files.map(|path| path.into_os_string()));
    sandbox.run(arguments).exits(0);
    sandbox
}

#[test]
fn page_is_written_to_a_file_or_to_standard_output() {
    let sandbox = sample();
    sandbox.write("page.html", "old");
    sandbox.wa("dashboard --as-of latest --quiet --output page.html").exits(0).prints_nothing();
    let file = sandbox.read("page.html");
    let run = sandbox.wa("dashboard --as-of latest").exits(0).warns("so the previous period");
    assert_eq!(file, run.stdout);
    assert_eq!(sandbox.wa("dashboard --as-of latest --quiet --output -").output(), file);
    // No temporary file is left.
    let names: Vec<_> =
        std::fs::read_dir(sandbox.path(".")).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert_eq!(names.len(), 2, "{names:?}");
    sandbox
        .wa("dashboard --output missing/page.html")
        .exits(1)
        .warns("cannot write missing/page.html")
        .warns("No such file");
}

#[cfg(unix)]
#[test]
fn replaced_file_keeps_its_permissions_and_links() {
    use std::os::unix::fs::{PermissionsExt, symlink};
    let sandbox = sample();
    sandbox.write("private.html", "old");
    let path = sandbox.path("private.html");
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    symlink("private.html", sandbox.path("link.html")).unwrap();
    sandbox.wa("dashboard --as-of latest --quiet --output link.html").exits(0).prints_nothing();
    assert!(std::fs::symlink_metadata(sandbox.path("link.html")).unwrap().is_symlink());
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    assert!(sandbox.read("private.html").starts_with("<!DOCTYPE html>"));
}

#[test]
fn options_choose_windows_chatbots_and_sessions() {
    let sandbox = sample();
    let page = |arguments: &str| Page::new(&sandbox.wa(&format!("dashboard {arguments}")).exits(0).stdout);
    let lengths = |page: &Page| page.windows().iter().map(|window| window.days).collect::<Vec<_>>();
    let all = page("--as-of latest");
    assert_eq!((lengths(&all), all.selected()), (vec![7, 30, 90, 365], 1));
    let mut chatbots = all.scopes().concat();
    chatbots.sort();
    assert_eq!(chatbots, CHATBOTS);
    assert!(all.scopes()[0].is_empty());
    let weeks = page("--as-of latest --days 90");
    assert_eq!((lengths(&weeks), weeks.selected()), (vec![7, 30, 90], 1));
    let few = page("--as-of latest --days 5");
    assert_eq!((lengths(&few), few.selected()), (vec![5], 0));
    let fixed = page("--from 2026-10-01 --to 2026-10-31 --chatbot harbor-coffee");
    let window = &fixed.windows()[0];
    assert_eq!((window.from.as_str(), window.to.as_str()), ("2026-10-01", "2026-10-31"));
    assert_eq!((lengths(&fixed), fixed.scopes()), (vec![31], vec![vec!["harbor-coffee".to_owned()]]));
    let two = page("--as-of latest --chatbot harbor-coffee --chatbot city-library");
    assert_eq!(two.scopes()[0], ["city-library", "harbor-coffee"]);
    assert_eq!(two.scopes().len(), 3);
    let phones = page("--as-of latest --where device_type=mobile");
    assert_eq!(phones.data["conditions"], serde_json::json!(["device_type=mobile"]));
    sandbox.wa("dashboard --chatbot harbour-coffee").exits(2).warns("did you mean \"harbor-coffee\"?");
    sandbox.wa("dashboard --limit 0").exits(2);
    sandbox.wa("dashboard --from 2026-02-02 --to 2026-02-01").exits(2);
}

#[test]
fn empty_store_has_a_page_that_says_so() {
    let sandbox = Sandbox::new();
    sandbox.wa("dashboard").exits(1).warns("wa ingest");
    sandbox.wa("init").exits(0);
    let run = sandbox.wa("dashboard").exits(0).warns("the store has no data yet: run `wa ingest FILES`");
    let page = Page::new(&run.stdout);
    assert_eq!(page.figure(0, 1, "summary", "total_sessions"), Some(0));
    assert_eq!(page.data["health"]["ingest"], serde_json::Value::Null);
}

#[test]
fn health_has_the_last_ingest_and_rejected_lines_by_reason() {
    let sandbox = sample();
    sandbox.write("bad.ndjson", "no json\nno json either\n{\"event_name\":\"x\"}\n");
    sandbox.wa("ingest bad.ndjson").exits(4);
    let page = Page::new(&sandbox.wa("dashboard --as-of latest").exits(0).stdout);
    let health = &page.data["health"];
    let status = sandbox.wa("status --format json").json();
    assert_eq!(health["ingest"][0], status["last_ingest"]["at"]);
    for pair in health["ingest"][1].as_array().unwrap() {
        assert_eq!(pair[1], status["last_ingest"][pair[0].as_str().unwrap()], "{pair}");
    }
    assert_eq!(health["files"], status["ingested_files"]);
    assert_eq!(health["rejected"], status["rejects"]["rows"]);
    let reasons = health["reasons"].as_array().unwrap();
    let lines: u64 = reasons.iter().map(|pair| pair[1].as_u64().unwrap()).sum();
    assert_eq!(Some(lines), health["rejected"].as_u64());
    assert!(reasons.contains(&serde_json::json!(["not_json", 2])), "{reasons:?}");
    assert!(!page.json.contains(&*sandbox.path("").to_string_lossy()), "the page names a folder");
}

#[test]
fn equal_answers_are_written_once() {
    let sandbox = sample();
    let page = Page::new(&sandbox.wa("dashboard --as-of latest").exits(0).stdout);
    // The sample data has forty days, so windows of 90 days and of a year have the same sources.
    let part = page.part("sources");
    assert_eq!(page.cell(0, 2, part), page.cell(0, 3, part));
    assert_ne!(page.cell(0, 1, part), page.cell(0, 2, part));
}

#[test]
fn reports_are_written_as_html() {
    let sandbox = sample();
    for report in ["summary", "trends", "sources", "heatmap", "retention", "funnel", "sessions", "all"] {
        let page = sandbox.wa(&format!("report {report} --as-of latest --format html")).output();
        assert!(page.starts_with("<!DOCTYPE html>") && page.ends_with("</html>\n"), "{report}");
        assert!(page.contains("default-src &#x27;none&#x27;; style-src"), "{report}");
        assert!(!page.contains("<script"), "{report}");
    }
    let page = sandbox.wa("report summary --days 30 --as-of latest --format html").output();
    let summary = sandbox.wa("report summary --days 30 --as-of latest --format json").json();
    let sessions = &summary["summary"]["total_sessions"];
    assert!(
        page.contains(&format!(">Sessions</th><td class=\"number\" dir=\"auto\">{sessions}</td>")),
        "{page}"
    );
}
