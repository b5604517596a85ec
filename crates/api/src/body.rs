//! Reads request bodies: bounded in size, bounded in patience.

use crate::problem::Problem;
use axum::body::Body;
use bytes::{Bytes, BytesMut};
use http::{HeaderMap, header};
use http_body::Body as _;
use http_body_util::BodyExt;
use std::time::Duration;

/// Reads the whole body.
pub(crate) async fn read(
    headers: &HeaderMap,
    mut body: Body,
    limit: usize,
    patience: Duration,
) -> Result<Bytes, Problem> {
    if let Some(encoding) = headers.get(header::CONTENT_ENCODING).filter(|value| *value != "identity") {
        return Err(Problem::Encoding {
            encoding: String::from_utf8_lossy(encoding.as_bytes()).into_owned(),
        });
    }
    let announced = body.size_hint().lower();
    if announced > limit as u64 {
        return Err(Problem::TooLarge { limit });
    }
    let mut whole: Option<BytesMut> = None;
    let mut first = Bytes::new();
    while let Some(data) = next(&mut body, patience).await? {
        let so_far = whole.as_ref().map_or(first.len(), BytesMut::len);
        if so_far + data.len() > limit {
            return Err(Problem::TooLarge { limit });
        }
        match &mut whole {
            // Most bodies come in one piece, which then need not be copied.
            None if first.is_empty() => first = data,
            None => {
                let room = usize::try_from(announced).unwrap_or(limit).max(first.len() + data.len());
                let mut buffer = BytesMut::with_capacity(room);
                buffer.extend_from_slice(&first);
                buffer.extend_from_slice(&data);
                whole = Some(buffer);
            }
            Some(buffer) => buffer.extend_from_slice(&data),
        }
    }
    Ok(whole.map_or_else(|| own_block(first), BytesMut::freeze))
}

/// A short body in a block of its own: as a slice it would keep the connection's read buffer for as long as the call lasts.
fn own_block(body: Bytes) -> Bytes {
    const SHORT: usize = 4 << 10;
    if body.len() < SHORT { Bytes::copy_from_slice(&body) } else { body }
}

async fn next(body: &mut Body, patience: Duration) -> Result<Option<Bytes>, Problem> {
    loop {
        let frame = tokio::time::timeout(patience, body.frame()).await.map_err(|_| Problem::TooSlow)?;
        match frame {
            None => return Ok(None),
            Some(Err(_)) => return Err(Problem::Broken),
            Some(Ok(frame)) => {
                if let Ok(data) = frame.into_data() {
                    return Ok(Some(data));
                }
            }
        }
    }
}
