//! What the service manager is told (sd_notify(3)): that the daemon is ready, that it lives, that it stops. Where there is
//! none, nothing.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

/// Tells it; a manager that cannot be told is no reason not to measure.
#[cfg(target_os = "linux")]
fn tell(states: &[&str]) {
    let states: Vec<_> = states.iter().map(|state| sd_notify::NotifyState::Custom(state)).collect();
    if let Err(error) = sd_notify::notify(&states) {
        tracing::debug!(%error, "the service manager cannot be told");
    }
}

#[cfg(not(target_os = "linux"))]
fn tell(_: &[&str]) {}

/// How often at least it wants a sign of life.
fn watched_within() -> Option<Duration> {
    #[cfg(target_os = "linux")]
    return sd_notify::watchdog_enabled();
    #[cfg(not(target_os = "linux"))]
    None
}

/// The daemon serves and measures.
pub(super) fn ready(watching: &str) {
    tell(&["READY=1", &format!("STATUS={watching}")]);
}

/// The daemon stops in order.
pub(super) fn stopping() {
    tell(&["STOPPING=1"]);
}

/// Gives signs of life as often as the manager wants, until `stop`. They come from where the measuring is done: threads
/// that hang give none, and the manager starts the daemon anew.
pub(super) async fn give_signs_of_life(stop: CancellationToken) {
    let Some(within) = watched_within() else { return };
    let mut rounds = tokio::time::interval(within / 2);
    while stop.run_until_cancelled(rounds.tick()).await.is_some() {
        tell(&["WATCHDOG=1"]);
    }
}
