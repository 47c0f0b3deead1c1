//! The suite that every store must pass. A store joins by a [`Place`] and `store::conformance::suite!(ThePlace);` in its tests.

pub(crate) mod accept;
pub(crate) mod books;
pub(crate) mod deliver;
pub(crate) mod history;
pub(crate) mod letters;
mod model;
pub(crate) mod recover;
pub(crate) mod remember;
pub(crate) mod retain;
pub(crate) mod share;
mod world;

pub(crate) use world::{Beside, Place, Sample, World, owed_ids, tried};

/// All tests of the suite, for one kind of store.
macro_rules! suite {
    ($place:ty) => {
        $crate::store::conformance::suite!(@ $place, accept:
            an_event_is_kept_as_it_came a_batch_is_answered_item_by_item fresh_deliveries_are_handed_over_first
            the_order_of_acceptance_is_the_order_of_ids a_duplicate_is_answered_and_not_owed_again
            duplicates_at_the_same_moment_are_accepted_once an_id_with_other_data_is_a_new_event
            a_kill_after_the_answer_loses_nothing ids_grow_over_restarts after_close_nothing_works
            what_was_refused_is_not_kept what_someone_must_act_on_is_urgent);
        $crate::store::conformance::suite!(@ $place, remember: the_newest_events_are_known_and_no_others);
        $crate::store::conformance::suite!(@ $place, recover:
            a_success_closes_the_failure_over_a_kill a_routed_success_closes_by_its_own_delivery
            only_a_success_closes_and_only_its_key only_a_failure_opens a_success_leaves_other_keys_open
            a_failure_past_the_retention_is_still_closed the_latest_failure_is_closed a_moved_failure_is_closed_where_it_went
            a_replayed_failure_is_closed_by_its_replay a_failure_dismissed_untried_needs_no_recovery);
        $crate::store::conformance::suite!(@ $place, deliver:
            the_first_success_ends_it every_attempt_is_on_record a_delivery_tells_of_its_last_attempt
            the_numbers_of_attempts_grow what_is_owed_comes_in_pages_and_by_key
            a_large_event_is_left_out_of_pages
            an_attempt_may_end_after_its_delivery a_copy_is_kept_with_its_delivery a_replay_is_a_new_delivery
            replaying_an_event_adds_to_it dismissing_takes_off_the_list moving_keeps_the_order
            lanes_count_what_is_owed messages_of_a_job_find_their_thread a_recovery_finds_the_thread_of_its_failure);
        $crate::store::conformance::suite!(@ $place, history:
            events_are_found_by_what_people_know events_come_by_time_and_in_pages
            a_page_of_large_events_ends_early_and_says_where_to_go_on a_clock_that_jumps_hides_nothing
            the_next_event_of_a_key_is_the_newest deliveries_are_found_by_each_part);
        $crate::store::conformance::suite!(@ $place, retain:
            what_owes_nothing_goes_with_all_that_hangs_on_it what_is_owed_stays_however_old
            what_died_stays_listed_for_the_whole_retention
            old_owed_events_do_not_hide_the_rest what_came_while_the_clock_was_wrong_hides_nothing
            versions_are_kept_with_the_times_they_applied);
        $crate::store::conformance::suite!(@ $place, books:
            every_delivery_made_stands_in_one_state the_books_survive_a_kill_and_retention
            what_did_not_happen_is_not_in_the_books);
        $crate::store::conformance::suite!(@ $place, letters:
            quarantine_counts_repeats_and_is_bounded a_repeat_only_counts_up
            quarantine_takes_what_just_fits_and_always_the_newest an_unreadable_binary_event_keeps_its_headers
            what_is_read_again_becomes_events_and_leaves_together the_number_of_an_item_is_never_given_again
            what_still_cannot_be_read_says_why_now a_replayed_dead_one_is_off_the_list_with_it
            a_walk_finds_each_once_and_in_order what_changed_since_it_was_looked_up_is_left_alone
            the_dead_that_expire_are_counted);
        $crate::store::conformance::suite!(@ $place, share:
            a_lane_is_one_relays_until_its_claim_expires a_released_lane_is_free_at_once
            fresh_deliveries_are_handed_to_the_holder_of_their_lane a_relay_that_closes_leaves_the_other_working);
        #[test]
        fn random_actions_agree_with_the_model() {
            $crate::store::conformance::random_actions_agree_with_the_model::<$place>();
        }
    };
    (@ $place:ty, $part:ident: $($name:ident)*) => {
        $(
            #[tokio::test]
            async fn $name() {
                $crate::store::conformance::$part::$name::<$place>().await;
            }
        )*
    };
}
pub(crate) use suite;

pub(crate) use model::random_actions_agree_with_the_model;
