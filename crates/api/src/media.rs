//! Media as both families of dialects write it: data URLs, formats, file names.

use base64::Engine;
use bytes::Bytes;
use nunchi_core::{Media, MediaSource};

/// A picture or document by URL; a `data:` URL becomes its type and its base64 text, not copied.
pub(crate) fn from_url(url: String) -> Media {
    let Some((media_type, start)) = data_url(&url) else {
        return Media { media_type: String::new(), source: MediaSource::Url(url), detail: None, name: None };
    };
    let data = Bytes::from(url).slice(start..);
    Media { media_type, source: MediaSource::Base64(data), detail: None, name: None }
}

/// Base64 text of a known type; a `data:` URL is accepted as well, and its type wins.
pub(crate) fn from_base64(media_type: &str, data: String) -> Media {
    if data.starts_with("data:") {
        let media = from_url(data);
        let media_type = if media.media_type.is_empty() { media_type.to_owned() } else { media.media_type };
        return Media { media_type, ..media };
    }
    let source = MediaSource::Base64(data.into());
    Media { media_type: media_type.to_owned(), source, detail: None, name: None }
}

/// A document that the provider has; what type it is, only the provider knows.
pub(crate) fn from_file_id(id: String) -> Media {
    Media {
        media_type: "application/octet-stream".into(),
        source: MediaSource::FileId(id),
        detail: None,
        name: None,
    }
}

/// Plain text as base64, for documents that are text.
pub(crate) fn encode(text: &str) -> Bytes {
    base64::engine::general_purpose::STANDARD.encode(text).into()
}

/// The MIME type of OpenAI's audio formats.
pub(crate) fn audio_type(format: &str) -> String {
    match format {
        "mp3" => "audio/mpeg".into(),
        other => format!("audio/{other}"),
    }
}

/// The type and the position of the data of a base64 data URL.
fn data_url(url: &str) -> Option<(String, usize)> {
    let prefix = url.get(..5)?;
    if !prefix.eq_ignore_ascii_case("data:") {
        return None;
    }
    let comma = url.find(',')?;
    let head = &url[5..comma];
    let media_type = head.strip_suffix(";base64")?;
    let media_type = media_type.split(';').next().unwrap_or("");
    Some((media_type.to_ascii_lowercase(), comma + 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_urls_are_split() {
        let media = from_url("data:image/PNG;charset=x;base64,aGk=".into());
        assert_eq!(media.media_type, "image/png");
        assert_eq!(media.source, MediaSource::Base64(Bytes::from_static(b"aGk=")));
        for url in ["https://a/b.png", "data:text/plain,hello", "dat", "data:"] {
            assert_eq!(from_url(url.into()).source, MediaSource::Url(url.into()));
        }
    }

    #[test]
    fn base64_may_come_as_a_data_url() {
        let media = from_base64("application/pdf", "data:;base64,aGk=".into());
        assert_eq!(
            (media.media_type.as_str(), media.source),
            ("application/pdf", MediaSource::Base64("aGk=".into()))
        );
    }
}
