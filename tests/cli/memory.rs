//! Freed memory is retained for reuse, and returned to the operating system near the budget.
#![cfg(target_os = "linux")]

#[test]
fn freed_memory_is_returned_near_the_budget() {
    const HALF: u64 = 128 << 20;
    let resident = || wa::allocator::resident().unwrap();
    let before = resident();
    // Writing makes the kernel provide the pages. The buffers have the size of an ingest's buffers.
    let buffers: Vec<Vec<u8>> = (0..32).map(|_| vec![1u8; 8 << 20]).collect();
    drop(buffers);
    assert!(resident() > before + HALF, "freed memory was not retained");
    assert!(!wa::allocator::release_free_memory(), "no budget is set");
    wa::allocator::set_budget(1 << 40);
    assert!(!wa::allocator::release_free_memory(), "the process is far below its budget");
    assert!(resident() > before + HALF);
    wa::allocator::set_budget(before + HALF);
    assert!(wa::allocator::release_free_memory());
    assert!(resident() < before + HALF, "free memory was not returned");
    assert!(!wa::allocator::release_free_memory(), "memory in use cannot be returned");
}
