//! How long reading and parsing take on one core, without anything after it.
//!
//! `cargo bench --bench parse [-- FILE…]`: the files' lines, else lines made here in the shape of a
//! widget's log. Prints the bytes and rows, and for each stage the best of several runs. `BLOCK` in the
//! environment sets the size of a block in bytes.

use std::time::Instant;

use wa::context::Context;
use wa::ingest::read::BLOCK_SIZE;
use wa::ingest::{Input, ParseOptions, RawBlock, Reader, parse};
use wa::settings::IpPolicy;

const RUNS: usize = 15;

fn main() {
    let files: Vec<String> = std::env::args().skip(1).filter(|a| !a.starts_with("--")).collect();
    let context = Context::new(None).expect("the rules of the context");
    let options = ParseOptions {
        chatbot: Some("bench".to_owned()),
        now: i64::MAX / 2,
        ip: IpPolicy::Keep,
        visitor_key: [7; 32],
    };

    let (mut read, mut parsed) = (f64::MAX, Vec::new());
    let (mut bytes, mut rows, mut refused) = (0, 0, 0);
    for _ in 0..RUNS {
        let start = Instant::now();
        let blocks = if files.is_empty() { made() } else { files.iter().flat_map(|f| blocks(f)).collect() };
        read = read.min(start.elapsed().as_secs_f64());
        (bytes, rows, refused) = (0, 0, 0);
        parsed.resize(blocks.len(), f64::MAX);
        for (block, best) in blocks.into_iter().zip(&mut parsed) {
            bytes += block.bytes.len();
            let start = Instant::now();
            let parsed = parse(block, &options, &context);
            *best = best.min(start.elapsed().as_secs_f64());
            rows += parsed.block.rows.len();
            refused += parsed.refused.len();
        }
    }
    // The best time of each block, so that what else the machine does counts little.
    let parsed = parsed.iter().sum::<f64>();
    let speed = |time: f64| bytes as f64 / time / 1e6;
    println!("{bytes} bytes, {rows} rows, {refused} refused");
    println!("read   {read:7.3} s {:8.0} MB/s", speed(read));
    println!(
        "parse  {parsed:7.3} s {:8.0} MB/s {:8.0} ns a row",
        speed(parsed),
        parsed * 1e9 / rows.max(1) as f64
    );
}

fn blocks(file: &str) -> Vec<RawBlock> {
    let size = std::env::var("BLOCK").ok().and_then(|s| s.parse().ok()).unwrap_or(BLOCK_SIZE);
    let mut reader = Reader::open(&Input::File(file.into())).expect("a file to read").with_block_size(size);
    std::iter::from_fn(|| reader.next_block().expect("a whole file")).collect()
}

/// Lines as a widget logs them, about 700 bytes each, in blocks of the usual size.
fn made() -> Vec<RawBlock> {
    let mut state = 1u64;
    let mut random = || {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        state >> 20
    };
    let names = ["widget_loaded", "widget_opened", "message_sent", "message_received", "button_clicked"];
    let line = |random: &mut dyn FnMut() -> u64| {
        let (session, time) = (random() % 20_000, random() % 86_400_000);
        let name = names[(random() % 5) as usize];
        format!(
            "{{\"id\":\"{:08x}-0000-4000-8000-{:012x}\",\"chatbot_id\":\"cd613e30-d8f1-4adf-91b7-584a2265b1f5\",\
             \"session_id\":\"s_{session:020x}\",\"anonymous_id\":\"v_{session:016x}\",\"event_name\":\"{name}\",\
             \"event_category\":\"engagement\",\"properties\":{{\"response_time_ms\":{},\"button_text\":\"Send\"}},\
             \"page_url\":\"https://shop.example.com/docs/start?utm_source=google&utm_medium=cpc\",\
             \"page_title\":\"Shop /docs/start\",\"timestamp\":\"2026-10-20T{:02}:{:02}:{:02}.{:03}Z\",\
             \"client_timestamp\":\"2026-10-20T00:00:10.617Z\",\"user_agent\":\"Mozilla/5.0 (Linux; Android 12; \
             SM-S911U) AppleWebKit/537.36 (KHTML, like Gecko) SamsungBrowser/25.0 Chrome/121.0.{}.0 Mobile \
             Safari/537.36\",\"ip_address\":\"121.242.{}.{}\",\"utm_source\":\"google\",\"utm_medium\":\"cpc\",\
             \"utm_campaign\":\"winter_sale\"}}\n",
            random() as u32,
            random() & 0xffff_ffff,
            random() % 3000,
            time / 3_600_000,
            time / 60_000 % 60,
            time / 1000 % 60,
            time % 1000,
            session % 40,
            session % 250,
            session / 250,
        )
    };
    let block = |_| {
        let mut bytes = Vec::with_capacity(BLOCK_SIZE);
        while bytes.len() < BLOCK_SIZE - 1000 {
            bytes.extend_from_slice(line(&mut random).as_bytes());
        }
        RawBlock { bytes, first_line: 1, ..RawBlock::default() }
    };
    (0..48).map(block).collect()
}
