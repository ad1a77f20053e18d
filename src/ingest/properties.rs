//! stub until merge
/// x
pub fn response_us(_p: &str) -> Option<i64> {
    None
}
/// x
pub fn triggered_by(_p: &str) -> Option<String> {
    None
}
