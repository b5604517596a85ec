//! Google's Gemini API: `generateContent`, `streamGenerateContent`, `embedContent`.

/// Put before a thought signature of Gemini's on its way to the client, so that no other provider is sent a proof that is not its own.
pub(crate) const SIGNATURE_MARK: &str = "gemini:";
