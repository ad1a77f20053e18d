//! Computes the next item of an iterator on another thread while the current one is processed.

use std::sync::mpsc::sync_channel;
use std::thread::Scope;

/// Returns an iterator over `items` that computes one item ahead on a thread of `scope`. It
/// computes no more than one, since an item can be large. The thread ends after the last item, or
/// when the returned iterator is dropped.
pub(super) fn prefetch<'scope, T: Send + 'scope>(
    scope: &'scope Scope<'scope, '_>,
    mut items: impl Iterator<Item = T> + Send + 'scope,
) -> impl Iterator<Item = T> + 'scope {
    let (sender, receiver) = sync_channel(0);
    // Sending fails when the receiver is dropped; the rest is then not needed.
    scope.spawn(move || items.try_for_each(|item| sender.send(item)).unwrap_or_default());
    receiver.into_iter()
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering::SeqCst};

    use super::*;

    #[test]
    fn items_arrive_in_order() {
        let items: Vec<u32> = std::thread::scope(|scope| prefetch(scope, 0..1000).collect());
        assert_eq!(items, (0..1000).collect::<Vec<_>>());
    }

    #[test]
    fn one_item_is_prefetched_and_none_after_the_drop() {
        let computed = AtomicU32::new(0);
        std::thread::scope(|scope| {
            let mut items = prefetch(scope, (0..).map(|item| (item, computed.fetch_add(1, SeqCst)).0));
            assert_eq!(items.next(), Some(0));
            assert_eq!(items.next(), Some(1));
            assert!((2..=3).contains(&computed.load(SeqCst)));
        });
        // The scope has ended, and so has the thread.
        assert!((2..=3).contains(&computed.load(SeqCst)));
    }
}
