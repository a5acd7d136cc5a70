//! Edges: the lab's steps as a person sees them: one line each, with the time it took, and a table at the end.

use std::{
    fmt::Display,
    future::Future,
    io::{IsTerminal, Write},
    time::{Duration, Instant},
};

use anyhow::Context;

use crate::failure;

/// Prints steps and remembers how long each took.
#[derive(Debug)]
pub struct Steps {
    began: Instant,
    done: Vec<(String, Duration)>,
}

impl Default for Steps {
    fn default() -> Self {
        Self { began: Instant::now(), done: Vec::new() }
    }
}

impl Steps {
    /// Runs one step and prints its line when it ends: elapsed time since the beginning, name, own time.
    #[allow(clippy::print_stdout)] // the lab is a command line
    pub async fn step<T>(
        &mut self,
        name: impl Display,
        work: impl Future<Output = anyhow::Result<T>>,
    ) -> anyhow::Result<T> {
        let name = name.to_string();
        let began = Instant::now();
        let live = std::io::stdout().is_terminal();
        if live {
            print!("{:7.1}s  {name} ...", self.began.elapsed().as_secs_f64());
            let _ = std::io::stdout().flush();
        }
        let result = work.await;
        let took = began.elapsed();
        let (head, tail) = if live { ("\r", "\x1b[K") } else { ("", "") };
        // The reason stands in the step's own line as well: of a long output the end may be cut off.
        let word = result.as_ref().err().map(|error| format!("  FAILED: {}", failure::said(error, None)));
        let word = word.unwrap_or_default();
        println!(
            "{head}{:7.1}s  {name}  ({:.1} s){word}{tail}",
            self.began.elapsed().as_secs_f64(),
            took.as_secs_f64()
        );
        self.done.push((name.clone(), took));
        result.with_context(|| format!("step \"{name}\" failed after {:.1} s", took.as_secs_f64()))
    }

    /// Adds a measured time that is not a step of its own.
    #[allow(clippy::print_stdout)]
    pub fn measured(&mut self, name: impl Display, took: Duration) {
        println!("{:7.1}s    {name}: {:.2} s", self.began.elapsed().as_secs_f64(), took.as_secs_f64());
        self.done.push((format!("  {name}"), took));
    }

    /// Says something in between.
    #[allow(clippy::print_stdout)]
    pub fn note(&self, text: impl Display) {
        println!("{:7.1}s    {text}", self.began.elapsed().as_secs_f64());
    }

    /// Since the first step.
    pub fn elapsed(&self) -> Duration {
        self.began.elapsed()
    }

    /// The steps so far with their times.
    pub fn times(&self) -> &[(String, Duration)] {
        &self.done
    }

    /// The table at the end.
    pub fn table(&self) -> String {
        let width = self.done.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0);
        let mut table = String::new();
        for (name, took) in &self.done {
            table.push_str(&format!("  {name:width$}  {:7.1} s\n", took.as_secs_f64()));
        }
        table.push_str(&format!(
            "  {:width$}  {:7.1} s\n",
            "all together",
            self.began.elapsed().as_secs_f64()
        ));
        table
    }
}

/// Waits for a condition. The closure gives `Ok(Some(value))` when it holds, else `Ok(None)` and, in `seen`, what it
/// saw; after `limit` the error says what was waited for and what was seen last.
pub async fn wait_for<T>(
    what: impl Display,
    limit: Duration,
    mut look: impl AsyncFnMut(&mut String) -> anyhow::Result<Option<T>>,
) -> anyhow::Result<T> {
    let deadline = Instant::now() + limit;
    let mut seen = String::new();
    loop {
        match look(&mut seen).await {
            Ok(Some(value)) => return Ok(value),
            Ok(None) => {}
            Err(error) => seen = format!("{error:#}"),
        }
        if Instant::now() > deadline {
            anyhow::bail!("waited {} s for {what}; last seen: {seen}", limit.as_secs());
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}
