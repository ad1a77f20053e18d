//! Freed memory is kept for reuse, and returned to the system near the budget.
#![cfg(target_os = "linux")]

#[test]
fn freed_memory_is_returned_near_the_budget() {
    const HALF: u64 = 128 << 20;
    let held = || wa::allocator::resident().unwrap();
    wa::allocator::keep_freed_memory();
    let before = held();
    // Writing makes the kernel provide the pages. The pieces are as large as those of an ingest.
    let pieces: Vec<Vec<u8>> = (0..32).map(|_| vec![1u8; 8 << 20]).collect();
    drop(pieces);
    assert!(held() > before + HALF, "it was not kept");
    assert!(!wa::allocator::give_back(), "nobody has set a budget");
    wa::allocator::set_budget(1 << 40);
    assert!(!wa::allocator::give_back(), "it is far from its budget");
    assert!(held() > before + HALF);
    wa::allocator::set_budget(before + HALF);
    assert!(wa::allocator::give_back());
    assert!(held() < before + HALF, "it was not given back");
    assert!(!wa::allocator::give_back(), "what is in use cannot be given back");
}
