//! Waiting for a condition, with a deadline.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};

/// Time between two looks at the condition.
const STEP: Duration = Duration::from_millis(20);

/// Waits until `condition` holds, and says how long that took.
///
/// # Errors
/// The condition's own error, or that it did not hold within `limit`; `what` names it.
pub fn until(what: &str, limit: Duration, mut condition: impl FnMut() -> Result<bool>) -> Result<Duration> {
    let start = Instant::now();
    while !condition()? {
        if start.elapsed() > limit {
            bail!("waited {:.1} s in vain: {what}", limit.as_secs_f64());
        }
        std::thread::sleep(STEP);
    }
    Ok(start.elapsed())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_as_long_as_needed_and_no_longer_than_allowed() {
        let mut looks = 0;
        let third_look = || {
            looks += 1;
            Ok(looks == 3)
        };
        assert!(until("third look", Duration::from_secs(5), third_look).is_ok());
        let error = until("the sky falls", Duration::ZERO, || Ok(false)).map_err(|error| error.to_string());
        assert_eq!(error, Err("waited 0.0 s in vain: the sky falls".to_owned()));
    }
}
