//! Runs return their events unchanged, in pieces that are in time order.

use std::collections::BTreeMap;
use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::event::{
    Channel, DeviceType, EventRow, KeyKind, NO_AGENT, NO_NUMBER, NO_RESPONSE, NO_TIME, TextField, TextId,
    UserAgent, session_key_hash,
};
use crate::store::manifest::Manifest;
use crate::store::{Store, Writer};
use crate::time::DAY;

fn writer(folder: &tempfile::TempDir) -> Writer {
    Store::new(folder.path().join("store")).writer_without_lock(|| Manifest::new(0, "UTC", 1)).unwrap()
}

/// Returns the files in `staging/`.
fn temporary_files(folder: &tempfile::TempDir) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder.path().join("store/staging")).unwrap();
    entries.map(|entry| entry.unwrap().path()).collect()
}

/// The seed of an event: its time, a number that selects its values, and its input file.
type Seed = (Micros, u32, u32);

/// Returns a block with an event for each seed. The event ids are numbered from `first_id`.
fn block(seeds: &[Seed], first_id: u128) -> Block {
    let mut block = Block::default();
    let mut ids: BTreeMap<String, TextId> = BTreeMap::new();
    let mut agents: BTreeMap<u32, u32> = BTreeMap::new();
    for (id, &(time, number, _)) in (first_id..).zip(seeds) {
        let mut row = EventRow { id, time, ..EventRow::EMPTY };
        let mut text =
            |text: String| *ids.entry(text.clone()).or_insert_with(|| block.texts.push(&text).unwrap());
        row.set(TextField::ChatbotId, text(format!("c{}", number % 2)));
        row.set(TextField::EventName, text("a".to_owned()));
        row.key_kind = [KeyKind::Session, KeyKind::Anonymous, KeyKind::User][number as usize % 3];
        row.set(row.key_kind.field(), text(format!("s{}", number % 5)));
        row.set(TextField::Properties, text(format!("ä{}", "x".repeat(number as usize % 7))));
        row.triggered_by = if number % 4 == 0 { text("button".to_owned()) } else { TextId::NONE };
        row.client_timestamp = if number % 2 == 0 { time - i64::from(number) } else { NO_TIME };
        row.sent_at = if number % 3 == 0 { i64::MAX } else { NO_TIME };
        row.received_at = if number % 5 == 0 { i64::MIN + 1 } else { NO_TIME };
        row.response_us = if number % 6 == 0 { i64::from(number) } else { NO_RESPONSE };
        row.screen_width = if number % 7 == 0 { i32::MAX } else { NO_NUMBER };
        row.screen_height = if number % 7 == 1 { -1 } else { NO_NUMBER };
        row.channel = Channel::ALL.get(number as usize % 25).copied();
        (row.names_source, row.has_own_id) = (number % 2 == 1, number % 3 == 1);
        row.agent = match number % 4 {
            3 => NO_AGENT,
            kind => *agents.entry(kind).or_insert_with(|| {
                block.agents.push(Arc::new(UserAgent {
                    user_agent: format!("agent {}", kind / 2),
                    browser_name: (kind == 1).then(|| "Firefox".to_owned()),
                    browser_version: None,
                    os_name: Some("Linux".to_owned()),
                    os_version: None,
                    device_type: DeviceType::Desktop,
                    is_bot: kind == 2,
                }));
                block.agents.len() as u32 - 1
            }),
        };
        let value = block.text(row.get(row.key_kind.field())).unwrap();
        row.key = session_key_hash(&format!("c{}", number % 2), row.key_kind, value);
        block.rows.push(row);
    }
    block
}

/// Describes an event completely, with its input file.
fn described(block: &Block, row: &EventRow, file: u32) -> String {
    let texts: Vec<_> = row.text.iter().chain([&row.triggered_by]).map(|id| block.text(*id)).collect();
    let agent = block.agents.get(row.agent as usize);
    let numbers = EventRow { text: EventRow::EMPTY.text, triggered_by: TextId::NONE, agent: 0, ..*row };
    format!("{file} {numbers:?} {texts:?} {agent:?}")
}

/// Adds runs, and returns the pieces in which they are read.
fn drained(folder: &tempfile::TempDir, runs: &[Vec<Seed>], memory: usize) -> Vec<MergedEvents> {
    let writer = writer(folder);
    let mut all = EventRuns::new(writer.temp_files());
    let mut first_id = 1;
    for seeds in runs {
        // Each run has several blocks, from several files.
        let blocks: Vec<(u32, Block)> = seeds
            .chunk_by(|a, b| a.2 == b.2)
            .map(|seeds| {
                first_id += seeds.len() as u128;
                (seeds[0].2, block(seeds, first_id - seeds.len() as u128))
            })
            .collect();
        all.add(&blocks.iter().map(|(file, block)| (*file, block)).collect::<Vec<_>>()).unwrap();
    }
    let on_disk: u64 =
        temporary_files(folder).iter().map(|path| std::fs::metadata(path).unwrap().len()).sum();
    assert_eq!((all.count(), all.bytes()), (runs.len(), on_disk));
    let mut pieces = Vec::new();
    all.drain(memory, |piece| {
        pieces.push(piece);
        Ok(())
    })
    .unwrap();
    assert!(temporary_files(folder).is_empty(), "temporary files are left over");
    pieces
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn drained_events_are_those_that_were_added(
        runs in prop::collection::vec(
            prop::collection::vec((0..400i64, any::<u32>().prop_map(|n| n % 1000), 0..3u32), 0..40), 0..5,
        ),
        memory in 1..20_000usize,
        hours in 0..30i64,
    ) {
        let folder = tempfile::tempdir().unwrap();
        let at = |&(time, number, file): &Seed| (time * hours * 3_600_000_000, number, file);
        let runs: Vec<Vec<Seed>> = runs.iter().map(|run| run.iter().map(at).collect()).collect();
        let mut expected = Vec::new();
        let mut first_id = 1;
        for seeds in &runs {
            let block = block(seeds, first_id);
            first_id += seeds.len() as u128;
            let rows = block.rows.iter().zip(seeds);
            expected.extend(rows.map(|(row, seed)| (row.time, row.id, described(&block, row, seed.2))));
        }
        let mut found = Vec::new();
        for piece in drained(&folder, &runs, memory) {
            prop_assert_eq!(piece.block.rows.len(), piece.files.len());
            let keys: std::collections::BTreeSet<u128> = piece.block.rows.iter().map(|row| row.key).collect();
            prop_assert_eq!(piece.session_keys, keys.len());
            let rows = piece.block.rows.iter().zip(&piece.files);
            let mut of_piece: Vec<_> =
                rows.map(|(row, file)| (row.time, row.id, described(&piece.block, row, *file))).collect();
            // The sort is stable, so events with the same time must have the order of the input.
            of_piece.sort_by_key(|(time, ..)| *time);
            prop_assert!(of_piece.is_sorted());
            found.extend(of_piece);
            let texts: std::collections::BTreeSet<_> =
                (0..piece.block.texts.count()).map(|id| piece.block.text(TextId(id as u32))).collect();
            prop_assert_eq!(texts.len(), piece.block.texts.count(), "a text occurs twice");
        }
        expected.sort();
        found.sort();
        prop_assert_eq!(found, expected);
    }
}

#[test]
fn overlapping_runs_are_drained_in_pieces_of_time() {
    let folder = tempfile::tempdir().unwrap();
    let run = |run: u32| (0..5000).map(|n| (2 * n + i64::from(run), 1, run)).collect();
    let pieces = drained(&folder, &[run(0), run(1)], 2000 * size_of::<EventRow>());
    let sizes: Vec<usize> = pieces.iter().map(|piece| piece.files.len()).collect();
    assert!(sizes[..sizes.len() - 1].iter().all(|rows| (1000..4000).contains(rows)), "{sizes:?}");
    let times = pieces.iter().flat_map(|piece| {
        let mut times: Vec<i64> = piece.block.rows.iter().map(|row| row.time).collect();
        times.sort_unstable();
        times
    });
    assert!(times.eq(0..10_000), "each time once, and in order");
}

#[test]
fn piece_ends_with_a_date_unless_the_date_is_larger() {
    let folder = tempfile::tempdir().unwrap();
    // Each run has a thousand events of each of six dates.
    let run = |run: i64| -> Vec<Seed> {
        (0..6000).map(|n| (n / 1000 * DAY + n % 1000 * 86_000_000 + run, 1, 0)).collect()
    };
    let runs = [run(0), run(1), run(2)];
    let dates = |rows: usize| -> Vec<Vec<i32>> {
        let piece = |piece: &MergedEvents| {
            let dates: std::collections::BTreeSet<i32> =
                piece.block.rows.iter().map(|row| Day::utc(row.time).0).collect();
            dates.into_iter().collect()
        };
        let pieces = drained(&folder, &runs, rows * size_of::<EventRow>());
        let mut last = None;
        for piece in &pieces {
            let of_piece = piece.block.rows.iter().map(|row| Day::utc(row.time));
            let (first, latest) = (of_piece.clone().min(), of_piece.max());
            assert_eq!(piece.begins_date, first != last);
            last = latest;
        }
        pieces.iter().map(piece).collect()
    };
    assert_eq!(dates(6500), [[0, 1], [2, 3], [4, 5]]);
    let small = dates(1000);
    assert!(small.len() >= 12 && small.iter().all(|dates| dates.len() <= 2), "{small:?}");
}

#[test]
fn events_of_one_time_are_drained_in_bounded_pieces() {
    let folder = tempfile::tempdir().unwrap();
    let run: Vec<Seed> = (0..10_000).map(|_| (7, 1, 0)).collect();
    let memory = 1000 * size_of::<EventRow>();
    let pieces = drained(&folder, &[run.clone(), run.clone(), run], memory);
    assert_eq!(pieces.iter().map(|piece| piece.files.len()).sum::<usize>(), 30_000);
    assert!(pieces.len() >= 3, "{} pieces", pieces.len());
}

#[test]
fn long_strings_are_divided_into_several_segments() {
    let folder = tempfile::tempdir().unwrap();
    let writer = writer(&folder);
    let mut block = Block::default();
    for n in 0..8 {
        let mut row = EventRow { id: n, time: n as i64, ..EventRow::EMPTY };
        row.set(TextField::Properties, block.texts.push(&n.to_string().repeat(1 << 20)).unwrap());
        block.rows.push(row);
    }
    let mut all = EventRuns::new(writer.temp_files());
    all.add(&[(0, &block)]).unwrap();
    assert_eq!(all.files[0].segments.iter().map(|(info, _)| info.rows).collect::<Vec<_>>(), [2, 2, 2, 2]);
    let mut found = Vec::new();
    all.drain(usize::MAX / 4, |piece| {
        found.extend(
            piece
                .block
                .rows
                .iter()
                .map(|row| piece.block.text(row.get(TextField::Properties)).unwrap().to_owned()),
        );
        Ok(())
    })
    .unwrap();
    assert_eq!(found, (0..8).map(|n| n.to_string().repeat(1 << 20)).collect::<Vec<_>>());
}

#[test]
fn damaged_or_short_temporary_file_is_an_error() {
    for damage in [|bytes: &mut Vec<u8>| bytes[40] ^= 1, |bytes: &mut Vec<u8>| bytes.truncate(40)] {
        let folder = tempfile::tempdir().unwrap();
        let writer = writer(&folder);
        let mut all = EventRuns::new(writer.temp_files());
        all.add(&[(0, &block(&[(1, 1, 0), (2, 2, 0)], 1))]).unwrap();
        let path = &temporary_files(&folder)[0];
        let mut bytes = std::fs::read(path).unwrap();
        damage(&mut bytes);
        std::fs::write(path, bytes).unwrap();
        assert!(all.drain(1000, |_| Ok(())).is_err());
    }
}

#[test]
fn drain_returns_the_error_of_the_receiver() {
    let folder = tempfile::tempdir().unwrap();
    let writer = writer(&folder);
    let mut all = EventRuns::new(writer.temp_files());
    let seeds: Vec<Seed> = (0..3000).map(|n| (n, 1, 0)).collect();
    all.add(&[(0, &block(&seeds, 1))]).unwrap();
    let error = all.drain(1, |_| Err(Error::failed("the disk is full"))).unwrap_err();
    assert_eq!(error.to_string(), "the disk is full");
}
