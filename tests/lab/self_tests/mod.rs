//! Proof that the bench itself is true: every act of the censor does what it says, and nothing else.

mod acts;
mod compare;
mod hosts;
mod page;
mod parts;
mod path;

use anyhow::Result;

/// A self-test.
pub(crate) type Test = fn() -> Result<()>;

/// Self-tests that need a lab, by name; they run as `self::NAME`.
pub(crate) const IN_LAB: [(&str, Test); 31] = [
    ("acts::a_name_is_banned_and_its_neighbour_on_the_same_address_is_not", acts::neighbour),
    ("acts::a_client_hello_in_many_segments_is_recognised", acts::many_segments),
    ("acts::a_rule_starts_and_stops_in_time", acts::window),
    ("acts::a_host_is_reset_and_its_neighbour_is_not", acts::reset_host),
    ("acts::a_forged_answer_comes_before_the_true_one", acts::forged_first),
    ("acts::a_prohibited_address_is_unreachable", acts::prohibited),
    ("acts::an_intercepted_address_shows_its_chain_to_one_client_only", acts::intercepted),
    ("path::ipv6_passes_the_same_censor", path::ipv6),
    ("path::ipv6_is_absent_or_broken", path::ipv6_missing),
    ("path::a_reset_races_with_the_answer", path::race_reset),
    ("path::several_forged_answers_come_before_the_true_one", path::three_answers),
    ("path::questions_over_tcp_are_answered_falsely", path::forged_over_tcp),
    ("path::a_connection_freezes_after_so_many_bytes", path::freeze),
    ("path::a_connection_is_held_to_a_rate", path::policed),
    ("path::packets_are_held_up", path::delayed),
    ("path::quic_is_dropped_by_address_by_name_or_altogether", path::quic),
    ("path::a_server_stays_dead_for_a_while", path::residual),
    ("path::a_control_can_be_down", path::control_down),
    ("path::a_tunnel_passes_no_censor", path::tunnel),
    ("path::careless_patterns_catch_neighbours", path::careless),
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
pub(crate) const PURE: [(&str, Test); 9] = [
    ("parts::a_client_hello_cut_anywhere_is_not_yet_one", parts::cut_hello),
    ("path::name_patterns", path::patterns),
    ("path::acts_without_meaning_are_refused", path::senseless),
    ("path::losses_are_even_and_the_same_in_every_run", path::losses),
    ("compare::a_wrong_check_is_caught", compare::wrong_check),
    ("compare::a_wrong_story_is_caught", compare::wrong_story),
    ("compare::a_wrong_silence_is_caught", compare::wrong_silence),
    ("compare::nothing_is_blocked_where_nobody_blocks", compare::nobody_blocks),
    ("page::verdicts_page_is_up_to_date", page::verdicts_page),
];
