//! Pictures, documents, sound and video: inside the request, or where Google finds them.

use super::wire::Data;
use crate::notes::Notes;
use crate::openai::base64_text;
use crate::shared::unsupported;
use nunchi_core::{ImageDetail, Media, MediaSource, ModelError};
use std::borrow::Cow;

/// Where uploaded files are; what comes behind is their name, `files/…`.
const FILES: &str = "https://generativelanguage.googleapis.com/v1beta/";

const PICTURES: [&str; 5] = ["image/png", "image/jpeg", "image/webp", "image/heic", "image/heif"];

/// Types by the end of a URL, for pictures whose type is not told.
const ENDINGS: [(&str, &str); 6] = [
    (".png", "image/png"),
    (".jpg", "image/jpeg"),
    (".jpeg", "image/jpeg"),
    (".webp", "image/webp"),
    (".heic", "image/heic"),
    (".pdf", "application/pdf"),
];

pub(super) fn media<'a>(media: &'a Media, notes: &mut Notes) -> Result<Data<'a>, ModelError> {
    if matches!(media.detail, Some(ImageDetail::Low | ImageDetail::High)) {
        notes.add("image.detail", "left out: Gemini chooses by itself");
    }
    if media.name.is_some() {
        notes.add("file.filename", "left out: Gemini's media carry no names");
    }
    let kind = media_type(&media.media_type)?;
    Ok(match &media.source {
        MediaSource::Base64(data) => {
            let mime_type = kind.ok_or_else(|| unsupported("Gemini must be told the type of media data"))?;
            Data::Inline { mime_type, data: base64_text(data)? }
        }
        MediaSource::Url(url) if is_address(url) => {
            Data::File { mime_type: kind.or_else(|| guessed(url)), file_uri: Cow::Borrowed(url) }
        }
        MediaSource::Url(_) => return Err(unsupported("Gemini fetches media by https and gs URLs only")),
        MediaSource::FileId(id) if id.starts_with("files/") => {
            Data::File { mime_type: kind, file_uri: Cow::Owned(format!("{FILES}{id}")) }
        }
        MediaSource::FileId(id) if id.starts_with(FILES) => {
            Data::File { mime_type: kind, file_uri: Cow::Borrowed(id) }
        }
        MediaSource::FileId(_) => return Err(unsupported("the file was uploaded to another provider")),
    })
}

/// A type that Gemini reads; `None` for one that is not told.
fn media_type(kind: &str) -> Result<Option<&str>, ModelError> {
    let broad = ["audio/", "video/", "text/"].iter().any(|class| kind.starts_with(class));
    Ok(match kind {
        "" => None,
        "image/jpg" => Some("image/jpeg"),
        _ if broad || kind == "application/pdf" || PICTURES.contains(&kind) => Some(kind),
        _ => return Err(unsupported(format!("Gemini does not read media of the type \"{kind}\""))),
    })
}

fn is_address(url: &str) -> bool {
    ["https://", "http://", "gs://"].iter().any(|scheme| url.starts_with(scheme))
}

fn guessed(url: &str) -> Option<&'static str> {
    let path = url.split(['?', '#']).next().unwrap_or(url).to_ascii_lowercase();
    ENDINGS.iter().find(|(ending, _)| path.ends_with(ending)).map(|(_, kind)| *kind)
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use serde_json::json;

    #[test]
    fn every_source() {
        let base64 = || MediaSource::Base64(Bytes::from_static(b"AAAA"));
        let url = |url: &str| MediaSource::Url(url.into());
        let file = |id: &str| MediaSource::FileId(id.into());
        let data = |kind: &str| Some(json!({"inlineData": {"mimeType": kind, "data": "AAAA"}}));
        let at = |kind: &str, uri: &str| Some(json!({"fileData": {"mimeType": kind, "fileUri": uri}}));
        let bare = |uri: &str| Some(json!({"fileData": {"fileUri": uri}}));
        let stored = format!("{FILES}files/a");
        for (kind, source, wanted) in [
            ("image/jpg", base64(), data("image/jpeg")),
            ("audio/wav", base64(), data("audio/wav")),
            ("video/mp4", base64(), data("video/mp4")),
            ("text/csv", base64(), data("text/csv")),
            ("application/pdf", base64(), data("application/pdf")),
            ("image/gif", base64(), None),
            ("application/zip", base64(), None),
            ("", base64(), None),
            ("", url("https://e/A.JPG?x#y"), at("image/jpeg", "https://e/A.JPG?x#y")),
            ("", url("https://youtu.be/x"), bare("https://youtu.be/x")),
            ("image/webp", url("gs://b/x"), at("image/webp", "gs://b/x")),
            ("", url("data:image/png;base64,AAAA"), None),
            ("", file("files/a"), bare(&stored)),
            ("text/plain", file(&stored), at("text/plain", &stored)),
            ("", file("file-abc"), None),
        ] {
            let part = Media { media_type: kind.into(), source, detail: None, name: None };
            let got = media(&part, &mut Notes::default()).ok().map(|data| json!(data));
            assert_eq!(got, wanted, "{part:?}");
        }
    }
}
