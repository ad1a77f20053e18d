//! Results that several reports on the same tables share.

use std::any::Any;
use std::sync::{Arc, Mutex, PoisonError};

use hashbrown::HashMap;

use super::Query;
use crate::error::Result;

/// The name of a result, and the query from which it is computed.
type ResultKey = (&'static str, Query);

/// Results by name and query.
///
/// A name stands for a computation with all its options except the query. The tables therefore
/// share results only among the reports of one request, which have the same options.
#[derive(Default)]
pub struct SharedResults(Mutex<HashMap<ResultKey, Arc<dyn Any + Send + Sync>>>);

impl SharedResults {
    /// Returns a result, and computes it if no report has computed it before.
    ///
    /// # Errors
    /// Returns the error of `compute`.
    pub fn get<T: Send + Sync + 'static>(
        &self,
        name: &'static str,
        query: &Query,
        compute: impl FnOnce() -> Result<T>,
    ) -> Result<Arc<T>> {
        let key = (name, query.clone());
        // A panic of another thread leaves the map intact. The lock is not held while computing,
        // which reads tables in several threads.
        let results = || self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let found = results().get(&key).map(Arc::clone);
        if let Some(found) = found.and_then(|result| result.downcast().ok()) {
            return Ok(found);
        }
        let computed = Arc::new(compute()?);
        let result: Arc<dyn Any + Send + Sync> = computed.clone();
        results().insert(key, result);
        Ok(computed)
    }

    /// Removes all results.
    pub fn clear(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::tests::fixtures::june;

    #[test]
    fn result_is_computed_once_for_each_name_and_query() {
        let results = SharedResults::default();
        let get =
            |name: &'static str, query: &Query, value: u32| *results.get(name, query, || Ok(value)).unwrap();
        assert_eq!((get("a", &june(), 1), get("a", &june(), 2)), (1, 1));
        assert_eq!((get("b", &june(), 3), get("a", &june().previous(), 4)), (3, 4));
        assert!(results.get("c", &june(), || Err::<u32, _>(crate::error::Error::failed("x"))).is_err());
        assert_eq!(get("c", &june(), 5), 5);
        results.clear();
        assert_eq!(get("a", &june(), 6), 6);
    }
}
