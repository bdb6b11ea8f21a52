//! The memory of a worker, in megabytes (10⁶ bytes).

use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::sleep;

/// Largest resident memory so far.
pub(crate) fn peak_mb(pid: i32) -> f64 {
    read_mb(pid, "VmHWM:").expect("the worker runs")
}

/// Notes a worker's resident memory each second, until aborted or the worker has ended.
#[derive(Debug)]
pub(crate) struct Course(JoinHandle<Vec<f64>>, tokio::sync::oneshot::Sender<()>);

impl Course {
    pub(crate) fn note(pid: i32) -> Self {
        let (stop, mut stopped) = tokio::sync::oneshot::channel();
        let noting = tokio::spawn(async move {
            let mut noted = Vec::new();
            while let Some(now) = read_mb(pid, "VmRSS:") {
                noted.push(now);
                tokio::select! {
                    () = sleep(Duration::from_secs(1)) => {}
                    _ = &mut stopped => break,
                }
            }
            noted
        });
        Self(noting, stop)
    }

    /// What was noted.
    pub(crate) async fn end(self) -> Vec<f64> {
        let _ = self.1.send(());
        self.0.await.unwrap()
    }
}

/// Mean of the last quarter against the mean of the second: 1 when memory neither grows nor shrinks after its start.
pub(crate) fn growth(course: &[f64]) -> f64 {
    let quarter = (course.len() / 4).max(1);
    let mean = |from: usize| {
        let part = course.iter().skip(from).take(quarter);
        part.sum::<f64>() / quarter as f64
    };
    mean(course.len() - quarter) / mean(quarter.min(course.len() - quarter))
}

fn read_mb(pid: i32, name: &str) -> Option<f64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find(|line| line.starts_with(name))?;
    let kib: f64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kib * 1024.0 / 1e6)
}

#[cfg(test)]
mod tests {
    use super::growth;

    #[test]
    fn growth_leaves_out_the_start_and_sees_the_end() {
        let flat = [10.0, 50.0, 100.0, 100.0, 100.0, 100.0, 100.0, 100.0];
        assert_eq!(growth(&flat), 1.0);
        let grows = [10.0, 50.0, 100.0, 100.0, 150.0, 150.0, 200.0, 200.0];
        assert_eq!(growth(&grows), 2.0);
        assert_eq!(growth(&[70.0]), 1.0);
    }
}
