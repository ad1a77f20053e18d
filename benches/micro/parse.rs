//! Reading and parsing on one core, by block size. A parsed block should fit into the CPU cache.

use divan::counter::BytesCount;
use divan::{Bencher, black_box};
use wa::enrich::Enricher;
use wa::ingest::{BlockReader, Input, Parser};

use crate::log;

/// Block sizes in KiB. The program uses `BLOCK_SIZE`.
const SIZES: [usize; 4] = [512, 1024, 2048, 8192];

/// Parses block after block in the same memory.
#[divan::bench(args = SIZES)]
fn lines(bencher: Bencher<'_, '_>, kib: usize) {
    let block = log::block(kib << 10);
    let (options, enricher) = (log::options(), Enricher::new(None).expect("an enricher"));
    let mut parser = Parser::default();
    bencher
        .counter(BytesCount::new(block.bytes.len()))
        .with_inputs(|| log::copy(&block))
        .bench_local_values(|block| parser.parse(block, &options, &enricher));
}

/// Reads a plain file in the page cache as blocks.
#[divan::bench(args = SIZES)]
fn read(bencher: Bencher<'_, '_>, kib: usize) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("log.ndjson");
    let bytes = log::block(32 << 20).bytes;
    std::fs::write(&path, &bytes).expect("a file");
    bencher.counter(BytesCount::new(bytes.len())).bench(|| {
        let input = Input::File(path.clone());
        let mut reader = BlockReader::open(&input).expect("a file to read").with_block_size(kib << 10);
        while let Some(block) = reader.next_block().expect("a whole file") {
            black_box(block);
        }
    });
}
