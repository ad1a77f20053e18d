//! Tests of the events that an export selects.

use crate::identity::{Identifier, IdentifierKind};
use crate::privacy::export::{Export, ExportOptions};
use crate::render::events::{EventRenderer, LineFormat};
use crate::testing::{NOW, TestStore, ada_among_others, render_export};
use crate::time::Day;

#[test]
fn export_selects_by_person_days_and_chatbot() {
    let store = TestStore::new();
    store.ingest(&store.write_log("a.ndjson", &ada_among_others()), NOW);
    let export = |options| store.export(options, LineFormat::Ndjson);
    let identifiers = vec![Identifier::new(IdentifierKind::Email, "ada@example.org")];
    let of_ada = export(ExportOptions { identifiers, ..Default::default() });
    assert_eq!(of_ada.len(), 6);
    assert!(of_ada.iter().all(|line| !line.contains("bob")));
    let day = |text: &str| Day::parse(text).unwrap();
    let days = Some((day("2026-11-03"), day("2026-11-04")));
    let csv = store.export(ExportOptions { days, ..Default::default() }, LineFormat::Csv);
    assert_eq!(csv.len(), 4, "a header and three events");
    let other = vec!["other".to_owned()];
    assert!(export(ExportOptions { chatbots: other, ..Default::default() }).is_empty());
}

#[test]
fn open_export_is_complete_after_a_writer_replaced_its_files() {
    for identifiers in [Vec::new(), vec![Identifier::new(IdentifierKind::User, "user_ada")]] {
        let store = TestStore::new();
        store.ingest(&store.write_log("a.ndjson", &ada_among_others()), NOW);
        let options = ExportOptions { identifiers, ..Default::default() };
        let opened = Export::open(&store.store().snapshot().unwrap(), options.clone()).unwrap();
        let expected = store.export(options, LineFormat::Ndjson);
        // The erasure rewrites or removes all files of the 9th.
        assert_eq!(store.forget(IdentifierKind::User, "user_bob").erased.events, 2);
        assert_eq!(store.forget(IdentifierKind::User, "user_ada").erased.events, 6);
        let text = render_export(&opened, &EventRenderer::new(LineFormat::Ndjson, false).unwrap());
        assert_eq!(text.lines().collect::<Vec<_>>(), expected);
    }
}
