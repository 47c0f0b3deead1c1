//! Bodies as they lie on disk. Job events say much the same in the same words: packed beside an example of one they take a third
//! of the room, and what packing costs is less than what writing less saves.
//!
//! LZ4 blocks (<https://github.com/lz4/lz4/blob/dev/doc/lz4_Block_format.md>) with a dictionary. How large a body was stands in its row
//! (`events.unpacked`), and none where it lies as it came.

use std::cell::RefCell;

use lz4_flex::block::{
    compress_into_with_dict, decompress_into_with_dict, decompress_with_dict, get_maximum_output_size,
};

use crate::store::LIGHT;

/// What nearly every job event has in it. It never changes: bodies in every store lean on it.
const EXAMPLE: &[u8] = br#"{"jobType":"PUBLISH_CONFIGURATION","jobType":"PUBLISH_DESTINATION","jobType":"UPDATE_WORKFLOW","jobType":"LOAD_SOURCE","state":"STOPPING","job_id":"","job_type":"","display_name":"","message":"The job failed: Something went wrong"}
{"specversion":"1.0","id":"00000000-0000-4000-8000-000000000000","source":"https://tamr.cloud/webhooks/v1alpha1/jobEvents","type":"com.tamr.job.v1alpha1","time":"2026-01-01T00:00:00.000Z","datacontenttype":"application/json","data":{"jobId":"job_","jobType":"UPDATE_DATA_PRODUCT","sourceId":"","sourceDisplayName":"","destinationId":"","destinationDisplayName":"","dataProductId":"","dataProductDisplayName":"","workflowId":"","workflowDisplayName":"","status":{"state":"DONE","stateStartTime":"2026-01-01T00:00:00.000Z","error":{"reason":"STOPPED_BY_USER","message":"The job was stopped"},"error":{"reason":"PLANNING_FAILED","message":""}},"pastStatuses":[{"state":"PENDING","stateStartTime":"2026-01-01T00:00:00.000Z"},{"state":"RUNNING","stateStartTime":"2026-01-01T00:00:00.000Z"}]}}"#;

thread_local! {
    /// For a packed body, and for what is unpacked of it.
    static ROOM: RefCell<Vec<u8>> = RefCell::new(vec![0; get_maximum_output_size(LIGHT) + LIGHT]);
}

/// A body in less room than it came in, if there is such a form. A large one stays as it is: whoever reads a page of rows must see by
/// the length of each what it costs.
pub fn pack(body: &[u8]) -> Option<Vec<u8>> {
    if body.len() > LIGHT {
        return None;
    }
    ROOM.with_borrow_mut(|room| {
        let (room, again) = room.split_at_mut(get_maximum_output_size(LIGHT));
        let size = compress_into_with_dict(body, room, EXAMPLE).ok()?;
        let packed = &room[..size];
        if packed.len() >= body.len() {
            return None;
        }
        // Nothing is accepted that could not be read again.
        let again = &mut again[..body.len()];
        let size = decompress_into_with_dict(packed, again, EXAMPLE).ok()?;
        (again[..size] == *body).then(|| packed.to_vec())
    })
}

/// The body, which had so many bytes.
///
/// # Errors
/// Why it cannot be had any more: what is there was never packed so.
pub fn unpack(packed: &[u8], bytes: i64) -> Result<Vec<u8>, String> {
    let size = usize::try_from(bytes).ok().filter(|&size| size <= LIGHT).ok_or("its size cannot be")?;
    let body =
        decompress_with_dict(packed, size, EXAMPLE).map_err(|error| format!("its body cannot be unpacked: {error}"))?;
    if body.len() == size { Ok(body) } else { Err(format!("its body has {} bytes, not {size}", body.len())) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use sha2::{Digest, Sha256};

    use super::*;

    #[test]
    fn the_example_is_the_one_that_stores_lean_on() {
        let digest: [u8; 32] = Sha256::digest(EXAMPLE).into();
        assert_eq!(
            digest[..8],
            [8, 213, 164, 184, 42, 64, 0, 99],
            "bodies in stores cannot be read any more: put it back"
        );
        // Packed once, and never to be read otherwise.
        let body = br#"{"jobId":"job_7","jobType":"LOAD_SOURCE","status":{"state":"RUNNING"}}"#;
        assert_eq!(unpack(&pack(body).unwrap(), 70).unwrap(), body);
    }

    #[test]
    fn a_job_event_takes_a_third_of_the_room() {
        let event = crate::message::testing::event_of(Some(crate::message::testing::failed_job()));
        let body = &event.received.body;
        assert!(pack(body).unwrap().len() * 5 < body.len() * 2, "{body:?}");
    }

    #[test]
    fn what_gains_nothing_or_is_large_stays_as_it_is() {
        assert_eq!(pack(b""), None);
        assert_eq!(pack(b"\x01\x02\x03\x04\x05"), None);
        assert!(pack(&[b' '; LIGHT]).is_some());
        assert_eq!(pack(&[b' '; LIGHT + 1]), None);
    }

    #[test]
    fn what_was_never_packed_is_told_and_costs_nothing() {
        let body = br#"{"jobId":"job_7","jobType":"LOAD_SOURCE"}"#;
        let packed = pack(body).unwrap();
        for bytes in [-1, 0, 40, 42, 8_192, i64::MAX] {
            unpack(&packed, bytes).unwrap_err();
        }
        unpack(&packed[..packed.len() - 1], 41).unwrap_err();
        unpack(b"\xff\xff\xff\xff", 100).unwrap_err();
        unpack(b"", 1).unwrap_err();
    }

    proptest! {
        #[test]
        fn a_body_comes_back_byte_for_byte(body in proptest::collection::vec(any::<u8>(), 0..2_000)) {
            if let Some(packed) = pack(&body) {
                prop_assert_eq!(unpack(&packed, i64::try_from(body.len()).unwrap()).unwrap(), body);
            }
        }

        #[test]
        fn so_does_text(body in "(\"stateStartTime\":\"2026-01-01T|[a-z]{1,9}|\"state\":\"){0,60}") {
            if let Some(packed) = pack(body.as_bytes()) {
                prop_assert_eq!(unpack(&packed, i64::try_from(body.len()).unwrap()).unwrap(), body.as_bytes());
            }
        }

        #[test]
        fn damage_is_an_error_or_another_body_and_no_panic(
            packed in proptest::collection::vec(any::<u8>(), 0..300), bytes in 0..10_000_i64
        ) {
            let _ = unpack(&packed, bytes);
        }
    }
}
