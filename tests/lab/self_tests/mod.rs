//! Proof that the bench itself is true: every act of the censor does what it says, and nothing else.

mod acts;
mod compare;
mod hosts;
mod parts;

use anyhow::Result;

/// A self-test.
pub(crate) type Test = fn() -> Result<()>;

/// Self-tests that need a lab, by name; they run as `self::NAME`.
pub(crate) const IN_LAB: [(&str, Test); 18] = [
    ("acts::a_name_is_banned_and_its_neighbour_on_the_same_address_is_not", acts::neighbour),
    ("acts::a_client_hello_in_many_segments_is_recognised", acts::many_segments),
    ("acts::a_rule_starts_and_stops_in_time", acts::window),
    ("acts::a_host_is_reset_and_its_neighbour_is_not", acts::reset_host),
    ("acts::a_forged_answer_comes_before_the_true_one", acts::forged_first),
    ("acts::a_prohibited_address_is_unreachable", acts::prohibited),
    ("acts::an_intercepted_address_shows_its_chain_to_one_client_only", acts::intercepted),
    ("parts::encrypted_resolvers_tell_the_truth_where_the_isp_lies", parts::encrypted_resolvers),
    ("parts::nothing_leaves_the_lab", parts::nothing_leaves),
    ("parts::http2_is_spoken", parts::http2),
    ("hosts::certificates_are_wrong_in_every_way", hosts::certificates),
    ("hosts::a_clock_that_is_off_makes_every_certificate_wrong", hosts::clock),
    ("hosts::old_servers_turn_a_modern_client_away", hosts::old_tls),
    ("hosts::bodies_are_coded_for_those_who_accept_it", hosts::coded_pages),
    ("hosts::bodies_stay_short_of_what_they_announce", hosts::broken_bodies),
    ("hosts::pages_differ_by_client_and_by_path", hosts::pages_by_client),
    ("hosts::a_host_resets_all_or_half_of_its_connections", hosts::faults),
    ("hosts::resolvers_learn_what_is_meant_for_them", hosts::resolvers_learn),
];

/// Self-tests of pure parts, which run everywhere.
pub(crate) const PURE: [(&str, Test); 4] = [
    ("parts::a_client_hello_cut_anywhere_is_not_yet_one", parts::cut_hello),
    ("compare::a_wrong_check_is_caught", compare::wrong_check),
    ("compare::a_wrong_story_is_caught", compare::wrong_story),
    ("compare::nothing_is_blocked_where_nobody_blocks", compare::nobody_blocks),
];
