//! The service tier that a request asks for.

use crate::chat::{Json, ModelRequest};
use crate::words::ServiceTier;

/// The field of OpenAI's two dialects.
const FIELD: &str = "service_tier";

/// The service tier that a request asks for: flex, priority, or the standard one for everything else. Of a field that is there several
/// times any may count for the provider, so the dearest does here.
pub fn asked_service_tier(request: &ModelRequest) -> ServiceTier {
    let fields = request.rest.iter().filter(|(name, _)| name == FIELD);
    let mut tiers = fields.map(|(_, value)| tier_of(value));
    let first = tiers.next().unwrap_or_default();
    tiers.fold(first, |asked, next| match (asked, next) {
        (ServiceTier::Priority, _) | (_, ServiceTier::Priority) => ServiceTier::Priority,
        (one, other) if one == other => one,
        _ => ServiceTier::Standard,
    })
}

fn tier_of(value: &Json) -> ServiceTier {
    let word = serde_json::from_str::<String>(value.get()).unwrap_or_default();
    match ServiceTier::of_word(&word) {
        Some(tier @ (ServiceTier::Flex | ServiceTier::Priority)) => tier,
        _ => ServiceTier::Standard,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::value::RawValue;

    #[test]
    fn what_is_asked_for() {
        use ServiceTier as T;
        for (fields, tier) in [
            (&[][..], T::Standard),
            (&["\"flex\""], T::Flex),
            (&["\"priority\""], T::Priority),
            (&["\"prio\\u0072ity\""], T::Priority),
            (&["\"auto\""], T::Standard),
            (&["\"default\""], T::Standard),
            (&["\"batch\""], T::Standard),
            (&["null"], T::Standard),
            (&["{\"priority\":1}"], T::Standard),
            (&["\"priority\"", "\"flex\""], T::Priority),
            (&["\"flex\"", "\"auto\""], T::Standard),
        ] {
            let mut request = ModelRequest::new("m", Vec::new());
            request.rest.push(("tier".into(), RawValue::from_string("\"priority\"".into()).unwrap()));
            let raw = |text: &&str| (FIELD.to_owned(), RawValue::from_string((*text).into()).unwrap());
            request.rest.extend(fields.iter().map(raw));
            assert_eq!(asked_service_tier(&request), tier, "{fields:?}");
        }
    }
}
