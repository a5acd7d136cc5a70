//! Edges: a program's log: one record is one line, whatever the names, reasons and words of others in it hold.

use std::io::Write;

use protocol::log_lines::{Format, LogLines};
use tracing::Subscriber;
use tracing_subscriber::EnvFilter;

/// Which records a program writes.
#[derive(Clone, Copy, Debug)]
pub struct Filter {
    /// The variable of the environment that names them.
    pub variable: &'static str,
    /// Without that variable, or when nobody understands it: what an operator needs.
    pub otherwise: &'static str,
}

/// Logs to standard error from now on. A log that is there already stays.
pub fn start(wanted: Filter, json: bool) {
    let filter =
        EnvFilter::try_from_env(wanted.variable).unwrap_or_else(|_| EnvFilter::new(wanted.otherwise));
    let _ = tracing::subscriber::set_global_default(subscriber(filter, json, std::io::stderr));
}

/// What takes the records and writes their lines.
pub fn subscriber<W: Write + 'static>(
    filter: EnvFilter,
    json: bool,
    to: impl Fn() -> W + Send + Sync + 'static,
) -> Box<dyn Subscriber + Send + Sync> {
    let format = if json { Format::Json } else { Format::Text };
    let log =
        tracing_subscriber::fmt().with_env_filter(filter).with_writer(move || LogLines::new(to(), format));
    if json { Box::new(log.json().finish()) } else { Box::new(log.with_ansi(false).finish()) }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use protocol::text::is_plain;
    use tracing::{info, info_span};

    use super::*;

    #[derive(Clone, Default)]
    struct Kept(Arc<Mutex<Vec<u8>>>);

    impl Write for Kept {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    /// What the log holds after somebody has logged.
    fn logged(json: bool, logs: impl FnOnce()) -> String {
        let kept = Kept::default();
        let to = kept.clone();
        let log = subscriber(EnvFilter::new("info"), json, move || to.clone());
        tracing::subscriber::with_default(log, logs);
        let bytes = kept.0.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn no_field_message_or_span_forges_a_line_or_drives_a_terminal() {
        let hidden = ('\0'..='\x1f')
            .chain('\x7f'..='\u{9f}')
            .chain('\u{2028}'..='\u{202e}')
            .chain(['\u{2066}', '\u{200b}']);
        for c in hidden {
            let foreign = format!("x{c}2026-11-30T00:00:00Z  INFO gate: permitted{c}[31m");
            for json in [false, true] {
                let log = logged(json, || {
                    let _span = info_span!("request", who = %foreign).entered();
                    info!(name = %foreign, debug = ?foreign, text = foreign.as_str(), "{foreign}");
                });
                assert_eq!(log.lines().count(), 1, "{}: {log:?}", c.escape_unicode());
                assert!(is_plain(log.trim_end_matches('\n')), "{}: {log:?}", c.escape_unicode());
                if json {
                    let read: serde_json::Value = serde_json::from_str(&log).unwrap();
                    assert_eq!(read["fields"]["text"], foreign.as_str(), "JSON stays exact");
                }
            }
        }
    }

    #[test]
    fn a_record_is_as_long_as_a_line_may_be() {
        let name = "n".repeat(1 << 20);
        for json in [false, true] {
            let log = logged(json, || info!(name, "stranger refused"));
            assert!(log.len() < 4 * protocol::log_lines::RECORD_CHARS_MAX, "{}", log.len());
            assert_eq!(log.lines().count(), 1);
        }
    }
}
