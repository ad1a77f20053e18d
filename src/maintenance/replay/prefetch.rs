//! Computes the next item of an iterator on another thread while the current one is processed.

use std::sync::mpsc::sync_channel;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{Builder, Scope};

/// Returns an iterator over `items` that computes one item ahead on a thread of `scope`. It
/// computes no more than one, since an item can be large. The thread ends after the last item, or
/// when the returned iterator is dropped. If no thread can be started, each item is computed when
/// it is requested.
pub(in crate::maintenance) fn prefetch<'scope, T: Send + 'scope>(
    scope: &'scope Scope<'scope, '_>,
    items: impl Iterator<Item = T> + Send + 'scope,
) -> Box<dyn Iterator<Item = T> + 'scope> {
    let (sender, receiver) = sync_channel(0);
    let items = Arc::new(Mutex::new(Some(items)));
    let taken = items.clone();
    let run = move || {
        // Sending fails once the receiver is dropped, when the remaining items are not needed.
        let mut items = take(&taken).into_iter().flatten();
        items.try_for_each(|item| sender.send(item)).unwrap_or_default();
    };
    match Builder::new().spawn_scoped(scope, run) {
        Ok(_) => Box::new(receiver.into_iter()),
        Err(_) => Box::new(take(&items).into_iter().flatten()),
    }
}

fn take<T>(value: &Mutex<Option<T>>) -> Option<T> {
    value.lock().unwrap_or_else(PoisonError::into_inner).take()
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
        // The end of the scope has also ended the thread.
        assert!((2..=3).contains(&computed.load(SeqCst)));
    }
}
