//! How serious a message is, for the eye.

use crate::message::Level;

/// A sign in front of a title, for services without colour.
pub(super) fn sign(level: Level) -> &'static str {
    match level {
        Level::Info => "ℹ️",
        Level::Success => "✅",
        Level::Warning => "⚠️",
        Level::Error => "❌",
        Level::Critical => "🚨",
    }
}

/// A colour as 0xRRGGBB, legible on white and on black.
pub(super) fn colour(level: Level) -> u32 {
    match level {
        Level::Info => 0x2f_6f_de,
        Level::Success => 0x2e_9e_5b,
        Level::Warning => 0xd9_8e_04,
        Level::Error => 0xd6_33_3f,
        Level::Critical => 0xa3_12_6b,
    }
}

/// The same as `#rrggbb`.
pub(super) fn hex(level: Level) -> String {
    format!("#{:06x}", colour(level))
}
