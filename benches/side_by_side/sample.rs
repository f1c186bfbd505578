//! Several measurements of one thing: the middle one is quoted, the outermost say how noisy the machine was.

use std::time::Duration;

/// At least one value, in order.
#[derive(Clone, Debug)]
pub struct Sample(Vec<f64>);

impl Sample {
    /// `None` of nothing.
    pub fn of(mut values: Vec<f64>) -> Option<Sample> {
        values.sort_by(f64::total_cmp);
        (!values.is_empty()).then_some(Sample(values))
    }

    /// Of times, in milliseconds.
    pub fn millis(times: &[Duration]) -> Option<Sample> {
        Sample::of(times.iter().map(|time| time.as_secs_f64() * 1e3).collect())
    }

    /// One value, measured once.
    pub fn one(value: f64) -> Sample {
        Sample(vec![value])
    }

    pub fn median(&self) -> f64 {
        self.quantile(0.5)
    }

    /// The value below which this share of them is.
    pub fn quantile(&self, share: f64) -> f64 {
        self.0[(share * (self.0.len() - 1) as f64).round() as usize]
    }

    pub fn low(&self) -> f64 {
        self.quantile(0.0)
    }

    pub fn high(&self) -> f64 {
        self.quantile(1.0)
    }

    pub fn count(&self) -> usize {
        self.0.len()
    }

    /// Each value made into another.
    pub fn map(&self, change: impl Fn(f64) -> f64) -> Sample {
        Sample::of(self.0.iter().map(|value| change(*value)).collect()).unwrap_or_else(|| self.clone())
    }
}
