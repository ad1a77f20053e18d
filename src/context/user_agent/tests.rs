//! Tests over tables of user agents; the expected values are facts about devices and browsers.
