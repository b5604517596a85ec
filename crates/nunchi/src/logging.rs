//! Log lines: text for people or JSON for machines, to standard error, with secrets masked.

use crate::config::{Config, LogFormat};
use nunchi_core::mask_secrets;
use std::io::{self, Write};
use tracing_subscriber::EnvFilter;

/// Starts the log of this process.
pub(crate) fn start(config: &Config) {
    // The crate that speaks MCP tells of every session; a level of its own can be asked for by name.
    let level = format!("rmcp=warn,{}", config.log_level);
    let filter = EnvFilter::try_new(level).unwrap_or_else(|_| EnvFilter::new("info"));
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(Masked::<io::Stderr>::errors);
    // A second start in one process (tests) keeps the first log.
    let _already = match config.log_format {
        LogFormat::Json => builder.json().try_init(),
        LogFormat::Text => {
            let colours = io::IsTerminal::is_terminal(&io::stderr());
            builder.with_target(false).with_ansi(colours).try_init()
        }
    };
}

/// Masks every line that passes through; the log writes a line at once.
struct Masked<W>(W);

impl Masked<io::Stderr> {
    fn errors() -> Self {
        Self(io::stderr())
    }
}

impl<W: Write> Write for Masked<W> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(line);
        self.0.write_all(mask_secrets(&text).as_bytes())?;
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_loses_its_secrets_and_nothing_else() {
        let mut masked = Masked(Vec::new());
        let line = "INFO 호출 key=sk-abcdefghijklmnopqrstuvwx by a@example.com\n";
        assert_eq!(masked.write(line.as_bytes()).unwrap(), line.len());
        assert_eq!(String::from_utf8(masked.0).unwrap(), "INFO 호출 key=[key] by [email]\n");
    }
}
