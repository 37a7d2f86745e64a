# blockspan in English. One message a phrase; Project Fluent's syntax (https://projectfluent.org).
language-name = English

## The frame of every page

nav-label = Parts of this page
nav-overview = Overview
nav-vantages = Vantages
nav-feed = Feed
nav-api = Data (JSON)
nav-metrics = Metrics
nav-languages = Languages
skip-to-content = Skip to the content
state-at = State at { $at }.
renew = Renew
how-to-read = How to read this
how-status = A status is the outcome of a test over many measurements, so that a single failure never makes a site blocked.
how-brackets = Measuring now and then can only bracket an event: a block began after the last good and not after the first bad measurement.
how-reports = What documents report is shown apart and is never mixed with what was measured.
how-silence = Where a vantage told nothing, nothing is known: silence is never read as health.
how-utc = All times are UTC; with scripts allowed, pointing at one tells it in local time too.
local-time = local time
error-heading = This cannot be shown
error-missing = Nothing is here. It was never there, or a newer judgement withdrew it.
error-record = The record cannot be read; the log of the daemon says why.
error-asked = What was asked for cannot be read: { $what }

## Statuses

status-accessible = accessible
status-blocked = blocked
status-denied = denied
status-down = down
status-offline = offline
status-inconclusive = inconclusive
status-unmeasured = not yet measured
status-accessible-means = the site answers
status-blocked-means = someone on the path interferes
status-denied-means = the site's own server refuses this vantage
status-down-means = it fails for the control too
status-offline-means = the vantage has no network, or only a domestic one
status-inconclusive-means = the evidence does not bear an opinion

## Parts of the way, where only one is interfered with

part-ipv4 = its IPv4 addresses only
part-ipv6 = its IPv6 addresses only
part-address = some of its addresses only
part-quic = HTTP/3 only
part-resolver = one resolver only

## Where a span comes from

source-measured = measured
source-reported = reported
source-ooni = imported from OONI

## The overview

overview = Overview
nothing-measured = Nothing has been measured yet.
config-refused = The configuration was refused; the one before stays in use
watched-for = Watched for { $country }
watched-nowhere = Watched, no country named
matrix-caption = What stands now, by site and vantage
column-site = Site
column-year = Blocked in the last 365 days
from-vantage = from { $vantage }
for-at-least = for { $length } or longer
year-strip = { $count ->
    [0] Not blocked in the last 365 days.
    [one] Blocked on one of the last 365 days.
   *[other] Blocked on { $count } of the last 365 days.
}
confirming-failures = Failures are being confirmed.
confirming-recovery = A recovery is being confirmed.

## Countries

country-name = { $code ->
    [KZ] Kazakhstan
    [KG] Kyrgyzstan
    [UZ] Uzbekistan
    [TJ] Tajikistan
    [TM] Turkmenistan
    [RU] Russia
    [BY] Belarus
    [UA] Ukraine
    [AZ] Azerbaijan
    [AM] Armenia
    [GE] Georgia
    [MN] Mongolia
    [CN] China
    [IR] Iran
    [TR] Türkiye
   *[other] { $code }
}

## A vantage

vantages = Vantages
vantage-up = has a network
vantage-offline = offline
vantage-unknown = not yet known
vantage-silent = { $what }; it began { $since }
vantage-began-unknown = at an unknown time
vantages-network = Network
vantages-country = Country
vantages-now = Now
vantages-silences = When vantages told nothing
vantages-no-silences = No vantage was silent in this time.
vantages-what = What
silence-offline = no network
silence-domestic_only = domestic network only
silence-not_measuring = not measuring
silence-stopped = daemon stopped
silence-broke_off = daemon broke off
silence-asleep = machine asleep
silence-unlisted = not configured

## A site

now = Now
category = Category
country = Country
began = Began { $when }.
began-first = Began { $when }, when it was first measured.
began-unknown = When it began is not known.
how-label = How
seen-in = { $count ->
    [one] Seen in one measurement
   *[other] Seen in { $count } measurements
}
seen-sure = , { $sure } sure that it is no chance
measured-ago = measured { $length } ago
open-span = Evidence
reported-by-documents = Reported by documents
report-began = began { $when }
report-began-unstated = beginning not stated
report-ended = ended { $when }
report-ended-unstated = ended, not stated when
report-no-end = no end stated
report-as-of = as of { $when }
report-about = { $url } from { $vantage }

## The time line

timeline = Time line
timeline-help = Choose a span to see its evidence. With scripts allowed: drag to choose a time, or with the keyboard use + and − to zoom and the arrows to move.
zoom = Zoom
zoom-hour = hour
zoom-day = day
zoom-week = week
zoom-month = month
zoom-year = year
zoom-decade = decade
zoom-all = all
zoom-earlier = earlier
zoom-later = later
zoom-in = closer
zoom-out = wider
zoom-from = From
zoom-to = To
zoom-show = Show
legend-certain = certain
legend-possible = began or ended within
legend-unstated = not stated
legend-ongoing = goes on
legend-watched = measured
legend-silent = the vantage told nothing
lane-any = no place named
spans = Spans
no-spans = Nothing is recorded against this site in this time.
more-spans = Only the first { $count } are listed. Choose a shorter time, or take all of them from the API.
column-began = Began
column-ended = Ended
column-from = From
column-how = How
column-sure = Sure
column-source = Source
column-span = Span
goes-on = goes on
not-stated = not stated
last-seen = last seen { $when }

## A span and its evidence

span-title = { $site }: { $status }
span-id = Id of the span
span-url = URL
span-techniques = Techniques in order
span-since = since { $at }
span-measurements = Measurements
span-last = Last seen so
span-citation = Document
span-events = What the journal tells
event-opened = opened
event-mechanism = the technique changed
event-closed = closed
event-rejudged = judged again
event-withdrawn = withdrawn
decided-by = decided by
evidence-start = Around the beginning
evidence-end = Around the end
evidence-last = The latest look
evidence-gone = Measurements of that time are not kept any more.
evidence-reported = A document says so. Nobody measured it here, and it is kept apart from what was measured.
evidence-more = { $count ->
    [one] One more measurement lies between these.
   *[other] { $count } more measurements lie between these.
}
evidence-before = the last good one before
evidence-decided = decided it
all-measurements = All measurements of this span (JSON)

## One measurement

measurement = Measurement
measurement-id = Id of the measurement
verdict = Verdict
reasons = Reasons
rules = Rules
rule-set = rule set { $number }
reasons-language = Reasons are recorded as sentences in English.
trigger-scheduled = in its turn
trigger-confirmation = to confirm
trigger-manual = asked for
trigger-control = for another measurement
took = Took
layer-dns = DNS: which address has the name?
layer-tcp = TCP: does the address connect?
layer-tls = TLS: does the site prove itself?
layer-http = HTTP: what does it answer?
layer-quic = QUIC: does HTTP/3 work?
resolver = Resolver
resolver-reference = reference
address = Address
address-from-reference = address from the reference
outcome = Outcome
works = works
certificate = Certificate
certificate-subject = Subject
certificate-issuer = Issuer
certificate-valid = Valid
certificate-from-to = { $from } to { $to }
certificate-names = For
certificate-hash = SHA-256
certificate-faults = Wrong with it
fault-unknown_issuer = leads to no trusted root
fault-wrong_name = is for another name
fault-expired = has expired
fault-not_yet_valid = is not valid yet
fault-bad_signature = comes without proof of its key
fault-malformed = is malformed, of a refused kind, or revoked
page-title = Title
page-size = Size
page-cut = read, then cut at our limit
redirect-to = sends on to
control = What the controls saw
control-none = No control was asked.
control-unusable = could not be asked: { $why }
control-got = gets the page: { $status }
control-failed = fails too: { $why }
control-silent = says nothing of the site
canaries = What the canaries said
canaries-none = No canaries were asked.
experiments = The same again, with one thing changed
experiment-unrelated_sni = the site's address, another name in the greeting
experiment-sni_elsewhere = an unrelated address, the site's name in the greeting
experiment-other_resolvers = the site's name, other resolvers
experiment-other_family = the site's addresses of the other family
experiment-other_host = the site's address, another name in the request
experiment-host_elsewhere = an unrelated address, the site's name in the request
experiment-suspect = As suspected
experiment-variant = Changed

## Mechanisms

mechanism-dns-nxdomain = the provider's name server says that the site's name does not exist
mechanism-dns-refused = the provider's name server refuses to answer for the site's name
mechanism-dns-servfail = the provider's name server reports a failure for the site's name
mechanism-dns-timeout = the provider's name server stays silent for the site's name
mechanism-dns-empty = the provider's name server gives no address for the site's name
mechanism-dns-bogon = the provider's name server gives an address that cannot be public
mechanism-dns-blockpage = the provider's name server gives the address of a block page
mechanism-dns-forged = the provider's name server gives an address that is not the site's
mechanism-dns-injected = one question for the site's name gets two different answers
mechanism-tcp-timeout = connections to the site's address are swallowed
mechanism-tcp-reset = connections to the site's address are reset
mechanism-tcp-refused = connections to the site's address are refused
mechanism-tcp-unreachable = the network says that the site's address cannot be reached
mechanism-tls-timeout = the encrypted greeting that names the site is swallowed
mechanism-tls-reset = the connection is reset when the encrypted greeting names the site
mechanism-tls-eof = the connection is closed when the encrypted greeting names the site
mechanism-tls-alert = the encrypted greeting that names the site is turned away
mechanism-tls-mitm = someone in between answers with a certificate of their own
mechanism-http-blockpage = a block page is shown instead of the site
mechanism-http-redirect = visitors are sent on to a block page
mechanism-http-reset = the connection is reset when the request names the site
mechanism-http-timeout = the request that names the site is swallowed
mechanism-http-eof = the connection is closed when the request names the site
mechanism-http-truncated = the page stops in the middle
mechanism-http-451 = an answer says that the site is blocked for legal reasons
mechanism-quic-timeout = QUIC connections to the site are swallowed
mechanism-throttled = the site is slowed down

## Failures, as seen at a layer where that matters

failure-generic_timeout_error-dns = no answer before the deadline
failure-generic_timeout_error-tcp = silence: nothing answers the SYN
failure-generic_timeout_error-tls = silence: nothing answers the ClientHello
failure-generic_timeout_error-http = silence: nothing answers the request
failure-generic_timeout_error-quic = silence: nothing answers the first packet
failure-timed_out-dns = no answer before the deadline
failure-timed_out-tcp = silence: nothing answers the SYN
failure-timed_out-tls = silence: nothing answers the ClientHello
failure-timed_out-http = silence: nothing answers the request
failure-timed_out-quic = silence: nothing answers the first packet
failure-connection_reset-tls = connection reset after the ClientHello
failure-connection_reset-http = connection reset after the request
failure-eof_error-tls = connection closed after the ClientHello
failure-eof_error-http = connection closed before the answer was whole
failure-connection_refused = connection refused
failure-connection_reset = connection reset
failure-connection_aborted = connection aborted by this machine
failure-host_unreachable = the network says: host unreachable
failure-network_unreachable = the network cannot be reached
failure-network_down = this machine has no network
failure-address_not_available = the configured source address cannot be used
failure-address_family_not_supported = this machine lacks the address family
failure-permission_denied = forbidden by a firewall or the network
failure-eof_error = connection closed
failure-dns_nxdomain_error = the name does not exist (NXDOMAIN)
failure-dns_refused_error = the resolver refuses the question (REFUSED)
failure-dns_servfail_error = the resolver reports a failure (SERVFAIL)
failure-dns_no_answer = an answer without any address
failure-dns_bogon_error-tcp = not dialled: it cannot be a public address, or is this machine's own
failure-dns_bogon_error = only addresses that cannot be public
failure-dns_server_misbehaving = an answer that makes no sense
failure-dns_reply_with_wrong_query_id = an answer to another question (wrong id)
failure-quic_incompatible_version = no version of QUIC in common
failure-ssl_failed_handshake = the handshake failed
failure-ssl_invalid_hostname = the certificate is for another name
failure-ssl_unknown_authority = the certificate leads to no trusted root
failure-ssl_invalid_certificate = the certificate is not valid
failure-http_request_failed = an answer that cannot be read
failure-http_invalid_redirect_location_host = redirected to no usable host
failure-http_unexpected_redirect_url = redirected to something that is not a web page
failure-http_too_many_redirects = more than ten redirects
failure-proxy_failed = the vantage's own proxy failed
failure-interrupted = cancelled
failure-unknown_failure = unknown failure: { $text }

## The briefing (`blockspan report`)

brief-title = Blocked websites: { $country }
brief-period = { $from } to { $to }
brief-made = Made { $at } with blockspan { $version }, rule set { $rules }.
brief-summary = Summary
brief-fact-sites = Sites
brief-fact-blocked = Blocked now
brief-fact-vantages = Vantages
brief-fact-networks = Networks
brief-fact-spans = Blocks recorded
brief-fact-measurements = Measurements that saw them
brief-none = none
brief-is-blocked = { $site } is blocked now. It began { $since }.
brief-was-blocked = { $count ->
    [one] { $site } was blocked once, for { $length } or longer. It is not blocked now.
   *[other] { $site } was blocked { $count } times, for { $length } or longer in all. It is not blocked now.
}
brief-is-clear = { $site } was measured, and no block was found.
brief-is-unreached = { $site } was measured and never reached; whether it was blocked is not known.
brief-is-unmeasured = { $site } was not measured in this time.
brief-agreed = { $seen } of { $watched } networks saw it at one time; { $quorum } must agree before a block counts for the country.
brief-too-few = { $seen } of { $watched } networks saw it, never { $quorum } at one time: too few for a block in the country.
brief-one-network = One network saw it: it may be that network's own doing, or its fault.
brief-urls = Addresses
brief-blocks = Blocks
brief-no-blocks = No block is recorded in this time.
brief-network = Network
brief-seen = Measurements
brief-opened-by = opened on measurement { $id }
brief-closed-by = closed on measurement { $id }
brief-comparison = What documents reported, beside what was measured
brief-claim-confirmed = { $count ->
    [one] One recorded block lies in that time and bears it out.
   *[other] { $count } recorded blocks lie in that time and bear it out.
}
brief-claim-contradicted = Measurements of that time are in this record (from { $from } to { $to }), and no block is.
brief-claim-unmeasured = No measurement of that time is in this record: it stays a claim.
brief-no-claims = No document in the list speaks of this site.
brief-vantages = Where it was measured from
brief-silent = Told nothing for
brief-method = Method
brief-method-measuring = Every address is measured layer by layer at short intervals: which addresses its name has, whether they connect, whether the site proves itself by its certificate, what it answers. When something fails, machines elsewhere and unrelated sites are asked at once.
brief-method-deciding = One failure proves nothing. A statistical test over many measurements decides when a block began and ended, and tells how unlikely it is that chance did it.
brief-method-bounds = Each beginning and end is given with two bounds: it lies between the last measurement that saw the one state and the first that saw the other.
brief-limits = Limits
brief-limit-place = It speaks of the networks that were measured from, not of every network of the country.
brief-limit-who = It tells that someone on the path interferes and how, not who ordered it.
brief-limit-silence = Where nobody measured, nothing is known. Silences are drawn as dotted lines and are no sign that a site could be reached.
brief-limit-short = Blocks shorter than some minutes can escape it.
brief-cite = How to cite
brief-cite-text = { $title }, { $period }. blockspan { $version }, rule set { $rules }, made { $at }.
brief-cite-ids = Quote a block by the id of its span and a single observation by the id of its measurement. Whoever holds the record can look up both, with the evidence.

## News: feed and webhooks

news-blocked = blocked
news-over = no longer blocked
news-withdrawn = A span was withdrawn by a newer judgement.
news-is = { $what } is blocked. The block began { $began }.
news-was = { $what } was blocked. The block began { $began } and ended { $ended }.
news-how = How: { $how } ({ $label }).
news-seen = { $seen } measurements, { $sure } sure.
news-decided = Decided by measurement { $measurement }; span { $span }.

## Instants and lengths

bracket-unknown = at an unknown time
bracket-before = before { $latest }
bracket-after = after { $earliest }
bracket-at = at { $at }
bracket-between = between { $earliest } and { $latest }
period-year = in { $year }
document-month = { $month ->
    [1] January
    [2] February
    [3] March
    [4] April
    [5] May
    [6] June
    [7] July
    [8] August
    [9] September
    [10] October
    [11] November
   *[12] December
    } { $year }
document-day = { $day } { $month ->
    [1] January
    [2] February
    [3] March
    [4] April
    [5] May
    [6] June
    [7] July
    [8] August
    [9] September
    [10] October
    [11] November
   *[12] December
    } { $year }
period-month = in { $month ->
    [1] January
    [2] February
    [3] March
    [4] April
    [5] May
    [6] June
    [7] July
    [8] August
    [9] September
    [10] October
    [11] November
   *[12] December
    } { $year }
period-day = on { $day } { $month ->
    [1] January
    [2] February
    [3] March
    [4] April
    [5] May
    [6] June
    [7] July
    [8] August
    [9] September
    [10] October
    [11] November
   *[12] December
    } { $year }
length-seconds = { $count } s
length-minutes = { $count } min
length-hours = { $count } h
length-days = { $count } d
