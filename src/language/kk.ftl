# blockspan қазақша. Project Fluent синтаксисі (https://projectfluent.org).
language-name = Қазақша

## The frame of every page

nav-label = Беттің бөлімдері
nav-overview = Шолу
nav-vantages = Бақылау нүктелері
nav-feed = Таспа
nav-api = Деректер (JSON)
nav-metrics = Метрикалар
nav-languages = Тілдер
skip-to-content = Мазмұнға өту
state-at = { $at } жағдай бойынша.
renew = Жаңарту
how-to-read = Мұны қалай оқу керек
how-status = Күй — көп өлшем бойынша тексерудің қорытындысы: бір ғана сәтсіздік сайтты бұғатталған етпейді.
how-brackets = Анда-санда өлшеу оқиғаның шектерін ғана береді: бұғаттау соңғы сәтті өлшемнен кейін және алғашқы сәтсіз өлшемнен кешіктірмей басталған.
how-reports = Құжаттар хабарлаған нәрсе бөлек көрсетіледі және өлшенгенмен ешқашан араластырылмайды.
how-silence = Бақылау нүктесі үнсіз кезде ештеңе белгісіз: үнсіздік қолжетімділік деп саналмайды.
how-utc = Барлық уақыт — UTC; скрипттерге рұқсат берілсе, меңзегенде жергілікті уақыт та көрсетіледі.
local-time = жергілікті уақыт
error-heading = Мұны көрсету мүмкін емес
error-missing = Мұнда ештеңе жоқ. Бұл болмаған, немесе жаңа пайымдау оны қайтарып алған.
error-record = Жазба оқылмайды; себебі қызмет журналында айтылған.
error-asked = Сұрау түсініксіз: { $what }

## Statuses

status-accessible = қолжетімді
status-blocked = бұғатталған
status-denied = сервер бас тартты
status-down = істемей тұр
status-offline = желі жоқ
status-inconclusive = анық емес
status-unmeasured = әлі өлшенбеген
status-accessible-means = сайт жауап береді
status-blocked-means = жолда біреу кедергі жасайды
status-denied-means = сайттың өз сервері осы бақылау нүктесінен бас тартады
status-down-means = сайт бақылау үшін де ашылмайды
status-offline-means = бақылау нүктесінде желі жоқ немесе тек ішкі желі бар
status-inconclusive-means = дәлел пікір айтуға жетпейді

## Parts of the way, where only one is interfered with

part-ipv4 = тек IPv4 мекенжайлары
part-ipv6 = тек IPv6 мекенжайлары
part-address = мекенжайларының бір бөлігі ғана
part-quic = тек HTTP/3
part-resolver = тек бір резолвер

## Where a span comes from

source-measured = өлшенген
source-reported = хабарланған
source-ooni = OONI-ден импортталған

## The overview

overview = Шолу
nothing-measured = Әлі ештеңе өлшенген жоқ.
config-refused = Баптаулар қабылданбады; бұрынғысы қолданыста
watched-for = { $country } үшін бақыланады
watched-nowhere = Бақыланады, ел көрсетілмеген
matrix-caption = Қазіргі жағдай, сайттар мен бақылау нүктелері бойынша
column-site = Сайт
column-year = Соңғы 365 күндегі бұғаттаулар
from-vantage = { $vantage } нүктесінен
for-at-least = кемінде { $length }
year-strip = { $count ->
    [0] Соңғы 365 күнде бұғаттау жоқ.
   *[other] Соңғы 365 күннің { $count } күнінде бұғатталған.
}
confirming-failures = Сәтсіздіктер қайта тексерілуде.
confirming-recovery = Қалпына келу қайта тексерілуде.

## Countries

country-name = { $code ->
    [KZ] Қазақстан
    [KG] Қырғызстан
    [UZ] Өзбекстан
    [TJ] Тәжікстан
    [TM] Түрікменстан
    [RU] Ресей
    [BY] Беларусь
    [UA] Украина
    [AZ] Әзербайжан
    [AM] Армения
    [GE] Грузия
    [MN] Моңғолия
    [CN] Қытай
    [IR] Иран
    [TR] Түркия
   *[other] { $code }
}

## A vantage

vantages = Бақылау нүктелері
vantage-up = желі бар
vantage-offline = желі жоқ
vantage-unknown = әзірге белгісіз
vantage-silent = { $what }; басталған уақыты: { $since }
vantage-began-unknown = белгісіз уақытта
vantages-network = Желі
vantages-country = Ел
vantages-now = Қазір
vantages-silences = Бақылау нүктелері қашан үнсіз болды
vantages-no-silences = Бұл уақытта бірде-бір бақылау нүктесі үнсіз болған жоқ.
vantages-what = Не
silence-offline = желі жоқ
silence-domestic_only = тек ішкі желі
silence-not_measuring = өлшемеді
silence-stopped = қызмет тоқтатылған
silence-broke_off = қызмет үзілген
silence-asleep = машина ұйықтаған
silence-unlisted = баптауларда болмаған

## A site

now = Қазір
category = Санат
country = Ел
began = Басталуы: { $when }.
began-first = Басталуы: { $when }, алғашқы өлшемге дейін.
began-unknown = Қашан басталғаны белгісіз.
how-label = Қалай
seen-in = { $count } өлшемде көрінді
seen-sure = , кездейсоқ емес екеніне сенімділік: { $sure }
measured-ago = { $length } бұрын өлшенген
open-span = Дәлелдер
reported-by-documents = Құжаттар хабарлайды
report-began = басталуы: { $when }
report-began-unstated = басталуы көрсетілмеген
report-ended = аяқталуы: { $when }
report-ended-unstated = аяқталған, қашан екені көрсетілмеген
report-no-end = аяқталуы көрсетілмеген
report-as-of = { $when } жағдай бойынша
report-about = { $url }, { $vantage } нүктесінен

## The time line

timeline = Уақыт шкаласы
timeline-help = Дәлелдерін көру үшін кесіндіні таңдаңыз. Скрипттерге рұқсат берілсе: уақытты таңдау үшін тінтуірмен сүйреңіз, пернетақтада + және − масштабты өзгертеді, көрсеткілер жылжытады.
zoom = Масштаб
zoom-hour = сағат
zoom-day = күн
zoom-week = апта
zoom-month = ай
zoom-year = жыл
zoom-decade = онжылдық
zoom-all = бәрі
zoom-earlier = ертерек
zoom-later = кейінірек
zoom-in = жақынырақ
zoom-out = кеңірек
zoom-from = Бастап
zoom-to = Дейін
zoom-show = Көрсету
legend-certain = анық
legend-possible = осының ішінде басталған не аяқталған
legend-unstated = көрсетілмеген
legend-ongoing = жалғасуда
legend-watched = өлшенген
legend-silent = бақылау нүктесі үнсіз болды
lane-any = орны көрсетілмеген
spans = Кесінділер
no-spans = Бұл уақытта сайтқа қатысты ештеңе жазылмаған.
more-spans = Алғашқы { $count } ғана көрсетілген. Қысқарақ уақытты таңдаңыз немесе бәрін API арқылы алыңыз.
column-began = Басталуы
column-ended = Аяқталуы
column-from = Қайдан
column-how = Қалай
column-sure = Сенімділік
column-source = Дереккөз
column-span = Кесінді
goes-on = жалғасуда
not-stated = көрсетілмеген
last-seen = соңғы көрінгені: { $when }

## A span and its evidence

span-title = { $site }: { $status }
span-id = Кесінді нөмірі
span-url = URL
span-techniques = Тәсілдер ретімен
span-since = { $at } бастап
span-measurements = Өлшемдер
span-last = Соңғы рет осылай көрінген
span-citation = Құжат
span-events = Журнал не дейді
event-opened = ашылды
event-mechanism = тәсіл өзгерді
event-closed = жабылды
event-rejudged = қайта қаралды
event-withdrawn = қайтарып алынды
decided-by = шешкен өлшем
evidence-start = Басталу маңында
evidence-end = Аяқталу маңында
evidence-last = Соңғы қарау
evidence-gone = Ол уақыттың өлшемдері енді сақталмайды.
evidence-reported = Құжат солай дейді. Мұнда оны ешкім өлшеген жоқ, ол өлшенгеннен бөлек сақталады.
evidence-more = Олардың арасында тағы { $count } өлшем бар.
evidence-before = осыған дейінгі соңғы сәтті өлшем
evidence-decided = шешті
all-measurements = Осы кесіндінің барлық өлшемдері (JSON)

## One measurement

measurement = Өлшем
measurement-id = Өлшем нөмірі
verdict = Пайымдау
reasons = Негіздер
rules = Ережелер
rule-set = ережелер жинағы { $number }
reasons-language = Негіздер ағылшын тіліндегі сөйлемдермен жазылған.
trigger-scheduled = кезегімен
trigger-confirmation = растау үшін
trigger-manual = сұрау бойынша
trigger-control = басқа өлшем үшін
took = Ұзақтығы
layer-dns = DNS: атаудың мекенжайы қандай?
layer-tcp = TCP: мекенжай қосыла ма?
layer-tls = TLS: сайт өзін растай ма?
layer-http = HTTP: ол не деп жауап береді?
layer-quic = QUIC: HTTP/3 жұмыс істей ме?
resolver = Резолвер
resolver-reference = эталон
address = Мекенжай
address-from-reference = эталон берген мекенжай
outcome = Нәтиже
works = жұмыс істейді
certificate = Сертификат
certificate-subject = Иесі
certificate-issuer = Беруші
certificate-valid = Жарамды
certificate-from-to = { $from } – { $to }
certificate-names = Атаулары
certificate-hash = SHA-256
certificate-faults = Ақаулары
fault-unknown_issuer = сенімді түбірге апармайды
fault-wrong_name = басқа атауға берілген
fault-expired = мерзімі өткен
fault-not_yet_valid = әлі жарамды емес
fault-bad_signature = кілтінің дәлелі жоқ
fault-malformed = бүлінген, қабылданбайтын түрде немесе қайтарып алынған
page-title = Тақырып
page-size = Көлемі
page-cut = оқылып, біздің шекте кесілді
redirect-to = мұнда жібереді:
control = Бақылау не көрді
control-none = Бақылаудан сұралған жоқ.
control-unusable = сұрау мүмкін болмады: { $why }
control-got = бетті алады: { $status }
control-failed = ол да ала алмайды: { $why }
control-silent = сайт туралы ештеңе айтпайды
canaries = Желінің тексеру сайттары не деді
canaries-none = Желінің тексеру сайттарынан сұралған жоқ.
experiments = Сол нәрсе тағы да, бір өзгеріспен
experiment-unrelated_sni = сайттың мекенжайы, сәлемдемеде басқа атау
experiment-sni_elsewhere = бөгде мекенжай, сәлемдемеде сайттың атауы
experiment-other_resolvers = сайттың атауы, басқа резолверлер
experiment-other_family = сайттың басқа түрдегі мекенжайлары
experiment-other_host = сайттың мекенжайы, сұрауда басқа атау
experiment-host_elsewhere = бөгде мекенжай, сұрауда сайттың атауы
experiment-suspect = Күдікті түрде
experiment-variant = Өзгертілген

## Mechanisms

mechanism-dns-nxdomain = провайдердің атау сервері сайт атауы жоқ дейді
mechanism-dns-refused = провайдердің атау сервері сайт атауы туралы жауап беруден бас тартады
mechanism-dns-servfail = провайдердің атау сервері сайт атауына қате хабарлайды
mechanism-dns-timeout = провайдердің атау сервері сайт атауына үнсіз қалады
mechanism-dns-empty = провайдердің атау сервері сайт атауына мекенжай бермейді
mechanism-dns-bogon = провайдердің атау сервері жалпыға ортақ бола алмайтын мекенжай береді
mechanism-dns-blockpage = провайдердің атау сервері бұғаттау бетінің мекенжайын береді
mechanism-dns-forged = провайдердің атау сервері сайттікі емес мекенжай береді
mechanism-dns-injected = сайт атауы туралы бір сұраққа екі түрлі жауап келеді
mechanism-tcp-timeout = сайт мекенжайына қосылулар жауапсыз жоғалады
mechanism-tcp-reset = сайт мекенжайына қосылулар үзіледі
mechanism-tcp-refused = сайт мекенжайына қосылулар қабылданбайды
mechanism-tcp-unreachable = желі сайт мекенжайына жету мүмкін емес дейді
mechanism-tls-timeout = сайтты атайтын шифрланған сәлемдеме жауапсыз жоғалады
mechanism-tls-reset = сәлемдеме сайтты атағанда қосылу үзіледі
mechanism-tls-eof = сәлемдеме сайтты атағанда қосылу жабылады
mechanism-tls-alert = сайтты атайтын шифрланған сәлемдеме қабылданбайды
mechanism-tls-mitm = ортадағы біреу өз сертификатымен жауап береді
mechanism-http-blockpage = сайттың орнына бұғаттау беті көрсетіледі
mechanism-http-redirect = келушілер бұғаттау бетіне жіберіледі
mechanism-http-reset = сұрау сайтты атағанда қосылу үзіледі
mechanism-http-timeout = сайтты атайтын сұрау жауапсыз жоғалады
mechanism-http-eof = сұрау сайтты атағанда қосылу жабылады
mechanism-http-truncated = бет ортасынан үзіледі
mechanism-http-451 = жауап сайт заң бойынша бұғатталған дейді
mechanism-quic-timeout = сайтқа QUIC қосылулары жауапсыз жоғалады
mechanism-throttled = сайт баяулатылған

## Failures, as seen at a layer where that matters

failure-generic_timeout_error-dns = мерзімге дейін жауап жоқ
failure-generic_timeout_error-tcp = үнсіздік: SYN-ға ешкім жауап бермейді
failure-generic_timeout_error-tls = үнсіздік: ClientHello-ға ешкім жауап бермейді
failure-generic_timeout_error-http = үнсіздік: сұрауға ешкім жауап бермейді
failure-generic_timeout_error-quic = үнсіздік: алғашқы пакетке ешкім жауап бермейді
failure-timed_out-dns = мерзімге дейін жауап жоқ
failure-timed_out-tcp = үнсіздік: SYN-ға ешкім жауап бермейді
failure-timed_out-tls = үнсіздік: ClientHello-ға ешкім жауап бермейді
failure-timed_out-http = үнсіздік: сұрауға ешкім жауап бермейді
failure-timed_out-quic = үнсіздік: алғашқы пакетке ешкім жауап бермейді
failure-connection_reset-tls = ClientHello-дан кейін қосылу үзілді
failure-connection_reset-http = сұраудан кейін қосылу үзілді
failure-eof_error-tls = ClientHello-дан кейін қосылу жабылды
failure-eof_error-http = жауап аяқталғанша қосылу жабылды
failure-connection_refused = қосылу қабылданбады
failure-connection_reset = қосылу үзілді
failure-connection_aborted = қосылуды осы машина үзді
failure-host_unreachable = желі дейді: торапқа жету мүмкін емес
failure-network_unreachable = желіге жету мүмкін емес
failure-network_down = бұл машинада желі жоқ
failure-address_not_available = берілген шығыс мекенжайын қолдануға болмайды
failure-address_family_not_supported = бұл машинада мұндай мекенжай түрі жоқ
failure-permission_denied = брандмауэр немесе желі тыйым салған
failure-eof_error = қосылу жабылды
failure-dns_nxdomain_error = мұндай атау жоқ (NXDOMAIN)
failure-dns_refused_error = резолвер жауап беруден бас тартады (REFUSED)
failure-dns_servfail_error = резолвер қате хабарлайды (SERVFAIL)
failure-dns_no_answer = бірде-бір мекенжайсыз жауап
failure-dns_bogon_error-tcp = қосылған жоқпыз: мекенжай жалпыға ортақ бола алмайды немесе осы машинанікі
failure-dns_bogon_error = жалпыға ортақ бола алмайтын мекенжайлар ғана
failure-dns_server_misbehaving = мағынасыз жауап
failure-dns_reply_with_wrong_query_id = басқа сұраққа жауап (нөмірі бөлек)
failure-quic_incompatible_version = ортақ QUIC нұсқасы жоқ
failure-ssl_failed_handshake = қол алысу сәтсіз
failure-ssl_invalid_hostname = сертификат басқа атауға берілген
failure-ssl_unknown_authority = сертификат сенімді түбірге апармайды
failure-ssl_invalid_certificate = сертификат жарамсыз
failure-http_request_failed = жауапты оқу мүмкін емес
failure-http_invalid_redirect_location_host = жарамды торабы жоқ қайта бағыттау
failure-http_unexpected_redirect_url = веб-бет емес нәрсеге қайта бағыттау
failure-http_too_many_redirects = оннан көп қайта бағыттау
failure-proxy_failed = бақылау нүктесінің өз проксиі істемеді
failure-interrupted = тоқтатылды
failure-unknown_failure = белгісіз сәтсіздік: { $text }

## The briefing (`blockspan report`)

brief-title = Бұғатталған сайттар: { $country }
brief-period = { $from } – { $to }
brief-made = { $at } blockspan { $version } бағдарламасымен жасалды, ережелер жинағы { $rules }.
brief-summary = Қысқаша
brief-fact-sites = Сайттар
brief-fact-blocked = Қазір бұғатталған
brief-fact-vantages = Бақылау нүктелері
brief-fact-networks = Желілер
brief-fact-spans = Жазылған бұғаттаулар
brief-fact-measurements = Оларды көрген өлшемдер
brief-none = жоқ
brief-is-blocked = { $site } қазір бұғатталған. Басталуы: { $since }.
brief-was-blocked = { $site } { $count } рет бұғатталған, барлығы кемінде { $length }. Қазір бұғатталмаған.
brief-is-clear = { $site } өлшенді, бұғаттау табылмады.
brief-is-unreached = { $site } өлшенді, бірақ бірде-бір рет ашылмады; бұғатталғаны белгісіз.
brief-is-unmeasured = { $site } бұл уақытта өлшенбеді.
brief-agreed = Мұны { $watched } желінің { $seen } бірге көрді; бұғаттау бүкіл ел үшін саналуы үшін { $quorum } желі сәйкес келуі керек.
brief-too-few = Мұны { $watched } желінің { $seen } көрді, бірақ бір мезгілде { $quorum } емес: ел бойынша бұғаттау деуге аз.
brief-one-network = Мұны бір желі көрді: бұл сол желінің өз шешімі немесе ақауы болуы мүмкін.
brief-urls = Мекенжайлар
brief-blocks = Бұғаттаулар
brief-no-blocks = Бұл уақытта бұғаттау жазылмаған.
brief-network = Желі
brief-seen = Өлшемдер
brief-opened-by = { $id } өлшемі бойынша ашылды
brief-closed-by = { $id } өлшемі бойынша жабылды
brief-comparison = Құжаттар хабарлағаны және өлшенгені
brief-claim-confirmed = Бұл уақытқа { $count } жазылған бұғаттау сәйкес келеді және мұны растайды.
brief-claim-contradicted = Жазбада сол уақыттың өлшемдері бар ({ $from } – { $to }), бұғаттау жоқ.
brief-claim-unmeasured = Жазбада сол уақыттың өлшемі жоқ: бұл мәлімдеме күйінде қалады.
brief-no-claims = Тізімдегі бірде-бір құжат бұл сайт туралы айтпайды.
brief-vantages = Қайдан өлшенді
brief-silent = Үнсіз болған ұзақтығы
brief-method = Әдіс
brief-method-measuring = Әр мекенжай қысқа аралықпен қабат-қабат өлшенеді: атаудың мекенжайлары қандай, олар қосыла ма, сайт өзін сертификатпен растай ма, не деп жауап береді. Сәтсіздік болса, басқа жердегі машиналар мен бөгде сайттардан бірден сұралады.
brief-method-deciding = Бір сәтсіздік ештеңені дәлелдемейді. Бұғаттаудың қашан басталып, қашан аяқталғанын көп өлшем бойынша статистикалық тексеру шешеді және кездейсоқтықтың қаншалықты екіталай екенін айтады.
brief-method-bounds = Әр басталу мен аяқталудың екі шегі бар: оқиға бір күйді көрген соңғы өлшем мен басқа күйді көрген алғашқы өлшемнің арасында жатыр.
brief-limits = Шектеулер
brief-limit-place = Бұл елдің барлық желісіне емес, өлшеу жүргізілген желілерге қатысты.
brief-limit-who = Жолда біреудің кедергі жасайтыны және қалай жасайтыны көрінеді, кім бұйырғаны көрінбейді.
brief-limit-silence = Ешкім өлшемеген жерде ештеңе белгісіз. Үнсіздік нүктелі сызықпен көрсетілген және сайт қолжетімді болды дегенді білдірмейді.
brief-limit-short = Бірнеше минуттан қысқа бұғаттаулар байқалмай қалуы мүмкін.
brief-cite = Қалай сілтеме жасау керек
brief-cite-text = { $title }, { $period }. blockspan { $version }, ережелер жинағы { $rules }, { $at } жасалды.
brief-cite-ids = Бұғаттауға кесінді нөмірімен, жеке бақылауға өлшем нөмірімен сілтеме жасаңыз. Жазбасы бар адам екеуін де дәлелімен бірге таба алады.

## News: feed and webhooks

news-blocked = бұғатталды
news-over = енді бұғатталмаған
news-withdrawn = Кесінді жаңа пайымдаумен қайтарып алынды.
news-is = { $what } бұғатталған. Бұғаттаудың басталуы: { $began }.
news-was = { $what } бұғатталған болатын. Бұғаттаудың басталуы: { $began }, аяқталуы: { $ended }.
news-how = Қалай: { $how } ({ $label }).
news-seen = Өлшемдер: { $seen }, сенімділік { $sure }.
news-decided = Шешкен өлшем { $measurement }; кесінді { $span }.

## Instants and lengths

bracket-unknown = белгісіз уақытта
bracket-before = { $latest } дейін
bracket-after = { $earliest } кейін
bracket-at = { $at }
bracket-between = { $earliest } мен { $latest } аралығында
period-year = { $year } ж.
document-month = { $year } ж. { $month ->
    [1] қаңтар
    [2] ақпан
    [3] наурыз
    [4] сәуір
    [5] мамыр
    [6] маусым
    [7] шілде
    [8] тамыз
    [9] қыркүйек
    [10] қазан
    [11] қараша
   *[12] желтоқсан
    }
document-day = { $year } ж. { $day } { $month ->
    [1] қаңтар
    [2] ақпан
    [3] наурыз
    [4] сәуір
    [5] мамыр
    [6] маусым
    [7] шілде
    [8] тамыз
    [9] қыркүйек
    [10] қазан
    [11] қараша
   *[12] желтоқсан
    }
period-month = { $year } ж. { $month ->
    [1] қаңтарда
    [2] ақпанда
    [3] наурызда
    [4] сәуірде
    [5] мамырда
    [6] маусымда
    [7] шілдеде
    [8] тамызда
    [9] қыркүйекте
    [10] қазанда
    [11] қарашада
   *[12] желтоқсанда
    }
period-day = { $year } ж. { $day } { $month ->
    [1] қаңтарда
    [2] ақпанда
    [3] наурызда
    [4] сәуірде
    [5] мамырда
    [6] маусымда
    [7] шілдеде
    [8] тамызда
    [9] қыркүйекте
    [10] қазанда
    [11] қарашада
   *[12] желтоқсанда
    }
length-seconds = { $count } с
length-minutes = { $count } мин
length-hours = { $count } сағ
length-days = { $count } күн
